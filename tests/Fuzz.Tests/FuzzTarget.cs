using Cutpoint.Formats;

namespace Cutpoint.Fuzz;

/// <summary>
/// A parser under test. Adding one is adding a class under Targets and its instance to <see cref="FuzzTargets.All"/>. Its members are called by several threads at
/// once.
/// </summary>
public abstract class FuzzTarget
{
    private readonly Lazy<IReadOnlyList<byte[]>> _corpus;

    protected FuzzTarget() => _corpus = new(() => [.. Golden()], LazyThreadSafetyMode.ExecutionAndPublication);

    /// <summary>Short name, as the console and the names of saved cases have it.</summary>
    public abstract string Name { get; }

    /// <summary>The sound inputs the cases are mutations of.</summary>
    public IReadOnlyList<byte[]> Corpus => _corpus.Value;

    /// <summary>The inputs that are cut short at every octet: all, unless some differ in nothing that a cut would show.</summary>
    public virtual IEnumerable<byte[]> Cut => Corpus;

    /// <summary>Octets that mean something to the format: mutations that use them get further than random ones.</summary>
    public virtual IReadOnlyList<byte[]> Words => [];

    /// <summary>False for inputs of which a part is sound, such as a stream of lines.</summary>
    public virtual bool DetectsTruncation => true;

    /// <summary>True when every error says where in the input it is; what is sound but refused may leave that out in any format.</summary>
    public virtual bool HasOffsets => true;

    /// <summary>Octets a case may allocate in managed memory: buffers of fixed size, and objects in proportion to the input.</summary>
    /// <param name="length">Octets of the input.</param>
    public virtual long AllocationLimit(int length) => (2L << 20) + (64L * length);

    /// <summary>Puts right what guards the input, such as checksums, so that what lies behind them is reached. Changes the octets in place; may throw a refusal
    /// where they cannot be read so far.</summary>
    /// <param name="octets">The changed input.</param>
    /// <param name="random">Decides what is put right and what is left; part of the case.</param>
    public virtual void Seal(byte[] octets, Random random)
    {
    }

    /// <summary>Reads an input whole, in every way there is, on the calling thread.</summary>
    /// <param name="octets">The input; hostile.</param>
    /// <param name="random">Decides between ways to read; part of the case.</param>
    /// <exception cref="SnapshotException">The input was refused. Anything else that is thrown is a defect.</exception>
    public abstract void Read(byte[] octets, Random random);

    /// <summary>Loads <see cref="Corpus"/>, small inputs and large.</summary>
    protected abstract IEnumerable<byte[]> Golden();

    /// <summary>What is wrong with a refusal, or null: it says where, why, and what to do.</summary>
    internal string? Object(SnapshotException error, int length) => error switch
    {
        MalformedInputException { Offset: var offset } when HasOffsets && (offset < 0 || offset > length) => $"an error at offset {offset} of {length}",
        MalformedInputException { Reason: var reason } when string.IsNullOrWhiteSpace(reason) => "an error without a reason",
        not MalformedInputException when HasOffsets && error.Code != ErrorCode.Incompatible => "an error without an offset",
        { Message: var message } when string.IsNullOrWhiteSpace(message) => "an error without a message",
        { Advice: var advice } when string.IsNullOrWhiteSpace(advice) => "an error without advice",
        _ => null,
    };
}
