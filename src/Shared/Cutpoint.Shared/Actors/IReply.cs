namespace Cutpoint.Actors;

/// <summary>A question that can fail without its answer's type being known.</summary>
internal interface IReply
{
    bool Fail(Exception exception);
}
