namespace Cutpoint.Workers.Export;

/// <summary>
/// A format a stored guest can be written in. Adding one is adding a class here and its instance to <see cref="ExportFormats.All"/>. Instances hold no
/// state and are safe for concurrent use. The octets written depend on the guest and the options alone, never on the number of threads.
/// </summary>
public abstract class ExportFormat
{
    /// <summary>Short name, as the command line has it: "qemu", "ber".</summary>
    public abstract string Name { get; }

    /// <summary>What the format is, in a few words.</summary>
    public abstract string Title { get; }

    /// <summary>True when the format puts things at places of a file and cannot be piped.</summary>
    public virtual bool NeedsFile => false;

    /// <summary>True when a range of guest-physical addresses can be chosen.</summary>
    public virtual bool TakesRange => false;

    /// <summary>True when memory can be shown at the virtual addresses of the guest.</summary>
    public virtual bool TakesPaging => false;

    /// <summary>True when there is a form for files beside the one for pipes.</summary>
    public virtual bool HasPlainForm => false;

    /// <summary>Writes a guest. Called once per export; reads ahead on all processors in bounded memory.</summary>
    /// <returns>Octets of the output; of a file with holes the holes too.</returns>
    internal abstract Task<long> WriteAsync(Exporter exporter, CancellationToken cancellation);
}
