namespace Cutpoint.Actors;

/// <summary>Where a handler answers a question. The first answer counts. Safe for concurrent use.</summary>
public sealed class Reply<TReply> : IReply
{
    private readonly TaskCompletionSource<TReply> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal Task<TReply> Answer => _answer.Task;

    /// <summary>Answers; false when there is an answer already.</summary>
    public bool Set(TReply value) => _answer.TrySetResult(value);

    /// <summary>Answers that the question failed; false when there is an answer already.</summary>
    public bool Fail(Exception exception)
    {
        if (!_answer.TrySetException(exception)) return false;
        // The asker may have left at its deadline; nobody else would look at this exception.
        _ = _answer.Task.Exception;
        return true;
    }
}
