namespace Cutpoint.Benchmarks.Guests;

/// <summary>One figure this project is held to.</summary>
/// <param name="Name">What it is called on the command line and in the output.</param>
/// <param name="RunAsync">Measures and prints it; false when its limit is missed.</param>
internal sealed record BenchRow(string Name, Func<BenchGuests, TextWriter, CancellationToken, Task<bool>> RunAsync)
{
    /// <summary>A row that compares two commands.</summary>
    /// <param name="name">What it is called.</param>
    /// <param name="memoryMiB">The memory of the guest both work on.</param>
    /// <param name="contest">The two.</param>
    public static BenchRow Of(string name, int memoryMiB, Func<FilledGuest, string, Contest> contest) => new(name, async (guests, output, cancellation) =>
    {
        var result = await contest(await guests.OfAsync(memoryMiB, cancellation), guests.Work).RunAsync(cancellation);
        result.Write(name, output);
        return result.IsReached;
    });
}
