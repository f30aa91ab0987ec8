using Cutpoint.Workers.Qemu.Launch;

namespace Cutpoint.Workers.Restore;

/// <summary>How the guests of one restore are connected with each other: where their sockets are now, and who must be there before whom.</summary>
internal sealed class GroupSockets
{
    /// <summary>Looks at the guests' plans, in the checkpoint's order; null stands for a guest somebody else has started.</summary>
    public GroupSockets(IEnumerable<QemuLaunchPlan?> plans)
    {
        var all = plans.ToList();
        var moved = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (old, now) in all.OfType<QemuLaunchPlan>().SelectMany(plan => plan.Moved)) moved.TryAdd(old, now);
        Moved = moved;
        Order = Sort(all);
    }

    /// <summary>New paths by the recorded ones in full.</summary>
    public IReadOnlyDictionary<string, string> Moved { get; }

    /// <summary>
    /// Numbers of the guests: who listens comes before who connects, since QEMU does not try twice. Guests that wait for each other in a circle keep the
    /// checkpoint's order.
    /// </summary>
    public IReadOnlyList<int> Order { get; }

    private static List<int> Sort(List<QemuLaunchPlan?> plans)
    {
        var order = new List<int>();
        var left = Enumerable.Range(0, plans.Count).ToList();
        while (left.Count > 0)
        {
            var next = left.FindIndex(number => !left.Exists(other => other != number && Follows(plans[number], plans[other])));
            order.Add(left[Math.Max(0, next)]);
            left.RemoveAt(Math.Max(0, next));
        }
        return order;
    }

    private static bool Follows(QemuLaunchPlan? plan, QemuLaunchPlan? other) =>
        plan is not null && other is not null && plan.Followed.Any(other.Moved.ContainsKey);
}
