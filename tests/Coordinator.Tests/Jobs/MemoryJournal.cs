using Cutpoint.Coordinator.Jobs;

namespace Cutpoint.Coordinator.Tests.Jobs;

/// <summary>A journal that ends with the test; the fault injector of every append.</summary>
internal sealed class MemoryJournal : IJobJournal
{
    private readonly TaskCompletionSource<JobMessage> _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public List<JobEvent> Events { get; } = [];

    public Action<IReadOnlyList<JobEvent>> Before { get; set; } = static _ => { };

    public Task AppendAsync(IReadOnlyList<JobEvent> events, CancellationToken cancellation)
    {
        Before(events);
        Events.AddRange(events);
        return Task.CompletedTask;
    }

    public Task<JobMessage> ReceiveAsync(CancellationToken cancellation) =>
        _asked.Task.IsCompletedSuccessfully ? new TaskCompletionSource<JobMessage>().Task : _asked.Task;

    public void Ask(JobMessage message) => _asked.TrySetResult(message);
}
