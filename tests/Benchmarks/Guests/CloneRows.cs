using System.Globalization;
using Cutpoint.TestGuests;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>
/// What guests that began as one cost: clones of a checkpoint, which have worked on for a while, each with memory of its own, taken one after the other. In the
/// repository they come from nearly all of them is there. In a new one nothing is, and ten of them can save no more than nine tenths.
/// </summary>
internal static class CloneRows
{
    private const string Name = "clones";
    private const int GuestMiB = 512;
    private const int ArenaMiB = 16;
    private const int PagesPerSecond = 100;
    private const int Clones = 10;
    private const int SecondsOfWork = 10;
    private const double LeastSaved = 0.85;

    public static IEnumerable<BenchRow> All => [new(Name, SaveAsync)];

    private static async Task<bool> SaveAsync(BenchGuests guests, TextWriter output, CancellationToken cancellation)
    {
        var home = Directory.CreateDirectory(Path.Combine(guests.Work, Name)).FullName;
        List<RestoredGuest> clones = [];
        try
        {
            var cutpoint = await InitAsync(home, "own", cancellation);
            await using (var guest = await FilledGuest.BootAsync(GuestMiB, guests.Work, cancellation, ArenaMiB, PagesPerSecond))
            {
                await cutpoint.QueryAsync(cancellation, "take", guest.Guest.Uri, "--name", "snapshot");
            }
            for (var i = 0; i < Clones; i++)
                clones.Add(RestoredGuest.From(await cutpoint.QueryAsync(cancellation, "restore", "snapshot", "--launch", "--memory", "private")));
            // The last one has worked least.
            await clones[^1].Serial.WaitForCountsAsync(SecondsOfWork, cancellation);
            var own = await TakeAsync(cutpoint, clones, cancellation);
            var other = await TakeAsync(await InitAsync(home, "new", cancellation), clones, cancellation);
            var reached = own.Share >= LeastSaved;
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
                {Name}: {(reached ? "reached" : "MISSED")}: {Clones} clones of one guest of {GuestMiB} MiB, after {SecondsOfWork} s at least of {PagesPerSecond} pages/s each
                  in the repository they come from: {own} (at least {LeastSaved:P0})
                  in a new repository:              {other}
                """));
            return reached;
        }
        finally
        {
            foreach (var clone in clones) await clone.DisposeAsync();
            Directory.Delete(home, recursive: true);
        }
    }

    private static async Task<CutpointProgram> InitAsync(string home, string name, CancellationToken cancellation)
    {
        var cutpoint = new CutpointProgram(Path.Combine(home, name), Path.Combine(home, "state"));
        await cutpoint.QueryAsync(cancellation, "init");
        return cutpoint;
    }

    private static async Task<Saving> TakeAsync(CutpointProgram cutpoint, IEnumerable<RestoredGuest> clones, CancellationToken cancellation)
    {
        var saving = new Saving(0, 0);
        foreach (var clone in clones)
        {
            var guest = (await cutpoint.QueryAsync(cancellation, "take", $"qemu:{clone.Monitor}"))["guests"]![0]!;
            saving = new Saving(saving.Content + (long)guest["contentBytes"]!, saving.New + (long)guest["newBytes"]!);
        }
        return saving;
    }

    /// <param name="Content">Octets of pages that are not zero.</param>
    /// <param name="New">Octets of those that had to be stored.</param>
    private sealed record Saving(long Content, long New)
    {
        public double Share => 1 - ((double)New / Content);

        public override string ToString() =>
            string.Create(CultureInfo.InvariantCulture, $"{Share:P1} saved: {New >> 20} of {Content >> 20} MiB that are not zero were stored");
    }
}
