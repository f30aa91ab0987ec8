namespace Cutpoint.Benchmarks.Guests;

/// <summary>The guests of a run: booted when a row first asks for them, shared by all rows, ended with the run.</summary>
/// <param name="work">A directory on the disk for disk images and whatever the rows write: their outputs are to be flushed to it.</param>
internal sealed class BenchGuests(string work) : IAsyncDisposable
{
    private readonly Dictionary<int, FilledGuest> _guests = [];

    /// <summary>Where rows write; they leave nothing behind.</summary>
    public string Work => work;

    /// <summary>A guest with so much memory, half of it filled.</summary>
    public async Task<FilledGuest> OfAsync(int memoryMiB, CancellationToken cancellation)
    {
        if (!_guests.TryGetValue(memoryMiB, out var guest)) _guests[memoryMiB] = guest = await FilledGuest.BootAsync(memoryMiB, work, cancellation);
        return guest;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var guest in _guests.Values) await guest.DisposeAsync();
    }
}
