namespace Cutpoint.Cli.Output;

/// <summary>Tells a callback at once, on the reporter's thread: unlike <see cref="Progress{T}"/>, nothing arrives after the work is over.</summary>
internal sealed class Progressing<T>(Action<T> report) : IProgress<T>
{
    public void Report(T value) => report(value);
}
