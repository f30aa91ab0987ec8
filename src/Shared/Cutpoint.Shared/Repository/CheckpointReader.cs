namespace Cutpoint.Repository;

/// <summary>
/// An open checkpoint. While it is open its packs stay, also when the checkpoint is forgotten and garbage is collected. Safe for concurrent
/// use.
/// </summary>
public sealed class CheckpointReader : IAsyncDisposable
{
    private readonly DirectoryRepository _repository;
    private readonly JobRegistration? _registration;
    private readonly PackFiles _files;
    private readonly SectionReader _reader;

    internal CheckpointReader(
        DirectoryRepository repository,
        JobRegistration? registration,
        PackFiles files,
        SectionReader reader,
        CheckpointInfo info,
        string record,
        IReadOnlyList<GuestReader> guests)
    {
        _repository = repository;
        _registration = registration;
        _files = files;
        _reader = reader;
        Info = info;
        Record = record;
        Guests = guests;
    }

    /// <summary>What listings show.</summary>
    public CheckpointInfo Info { get; }

    /// <summary>What the job noted about itself, as JSON.</summary>
    public string Record { get; }

    /// <summary>The guests.</summary>
    public IReadOnlyList<GuestReader> Guests { get; }

    /// <summary>One of the guests.</summary>
    /// <param name="name">Its name; null for the only one.</param>
    /// <exception cref="SnapshotException">There is no such guest, or none is named and there are several.</exception>
    public GuestReader Guest(string? name)
    {
        var names = string.Join(", ", Guests.Select(guest => guest.Manifest.Name));
        if (name is null)
        {
            return Guests.Count == 1
                ? Guests[0]
                : throw new SnapshotException(
                    ErrorCode.Usage, $"checkpoint {Info.Id} has {Guests.Count} guests: {names}",
                    "name one with --guest") { IsPreflight = true };
        }
        return Guests.FirstOrDefault(guest => guest.Manifest.Name == name)
            ?? throw new SnapshotException(
                ErrorCode.NotFound, $"checkpoint {Info.Id} has no guest '{name}'", $"its guests are: {names}") { IsPreflight = true };
    }

    /// <summary>Closes the checkpoint and its guests.</summary>
    public ValueTask DisposeAsync()
    {
        foreach (var guest in Guests) guest.Close();
        _reader.Dispose();
        _files.Dispose();
        if (_registration is null) return ValueTask.CompletedTask;
        using (_registration) _repository.Catalog.Unpin(_registration.Id);
        return ValueTask.CompletedTask;
    }
}
