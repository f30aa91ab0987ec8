// Each test has guests of its own, and pauses are measured: two at a time would judge each other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
