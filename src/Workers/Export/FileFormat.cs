using Cutpoint.Formats;

namespace Cutpoint.Workers.Export;

/// <summary>
/// A format of files with guest state that can be explained and, some of them, imported. Adding one is adding a class here and its instance to
/// <see cref="FileFormats.All"/>. Instances hold no state and are safe for concurrent use.
/// </summary>
public abstract class FileFormat
{
    /// <summary>Short name, as the command line has it: "qemu", "ber".</summary>
    public abstract string Name { get; }

    /// <summary>What the format is, in a few words.</summary>
    public abstract string Title { get; }

    /// <summary>True when a file is of this format by its first octets.</summary>
    /// <param name="head">The first <see cref="FileFormats.HeadLength"/> octets, or all of a shorter file.</param>
    public abstract bool Matches(ReadOnlySpan<byte> head);

    /// <summary>Reads a whole file and says what it holds, in memory that does not grow with the guest.</summary>
    /// <param name="input">The file from its start; not closed.</param>
    /// <param name="cancellation">Cancels between two reads.</param>
    /// <exception cref="MalformedInputException">The file is damaged; says where.</exception>
    public abstract Task<FileInspection> InspectAsync(Stream input, CancellationToken cancellation);

    /// <summary>True when the format holds all of a guest, so that a checkpoint can be made of it.</summary>
    public virtual bool CanImport => false;

    /// <summary>Reads a whole file: memory goes into the staged memory, the rest is returned.</summary>
    /// <param name="input">The file from its start; not closed.</param>
    /// <param name="memory">Takes blocks and pages.</param>
    /// <param name="cancellation">Cancels between two reads.</param>
    /// <exception cref="MalformedInputException">The file is damaged; says where.</exception>
    internal virtual Task<ImportedGuest> ImportAsync(Stream input, StagedMemory memory, CancellationToken cancellation) => throw new NotSupportedException();
}
