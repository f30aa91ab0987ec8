namespace Cutpoint.Actors;

/// <summary>A message on its way.</summary>
/// <param name="Message">The message.</param>
/// <param name="Octets">What it costs.</param>
/// <param name="Question">Fails when nobody will handle the message.</param>
internal sealed record Letter<TMessage>(TMessage Message, long Octets, IReply? Question);

/// <summary>
/// Two bounded lanes, one reader. Posters wait in the order they came when a lane is full; letters on the control lane are taken first.
/// Every member but <see cref="TakeAsync"/> is safe for concurrent use.
/// </summary>
internal sealed class Mailbox<TMessage>(string name, int maxMessages, long maxOctets, int maxControlMessages)
{
    private readonly Lock _gate = new();
    private readonly Lane _data = new(maxMessages, maxOctets);
    private readonly Lane _control = new(maxControlMessages, long.MaxValue);
    private TaskCompletionSource? _arrival;
    private bool _closed;
    private Exception? _fault;

    /// <summary>Octets of the data letters that wait.</summary>
    public long Octets
    {
        get { lock (_gate) return _data.Octets; }
    }

    public ValueTask PostAsync(Letter<TMessage> letter, bool control, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        // Waiting for room that can never be there would be a deadlock.
        if (!control) ArgumentOutOfRangeException.ThrowIfGreaterThan(letter.Octets, maxOctets, nameof(letter));
        lock (_gate)
        {
            if (_closed) throw new ActorStoppedException(name, _fault);
            var lane = control ? _control : _data;
            if (lane.TryAdd(letter))
            {
                Arrived();
                return ValueTask.CompletedTask;
            }
            return new ValueTask(WaitAsync(lane, lane.Wait(letter), cancellation));
        }
    }

    /// <summary>The next letter, or null when the mailbox is closed and empty.</summary>
    public async ValueTask<Letter<TMessage>?> TakeAsync()
    {
        while (true)
        {
            Task arrival;
            lock (_gate)
            {
                if (_control.Take() is { } urgent) return urgent;
                if (_data.Take() is { } letter) return letter;
                if (_closed) return null;
                _arrival = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                arrival = _arrival.Task;
            }
            await arrival.ConfigureAwait(false);
        }
    }

    /// <summary>Refuses new letters and those whose posters wait; drops the letters inside when they are abandoned.</summary>
    public void Close(bool abandon, Exception? fault = null)
    {
        var refused = new List<IReply>();
        lock (_gate)
        {
            _closed = true;
            _fault ??= fault;
            _control.Close(abandon, refused);
            _data.Close(abandon, refused);
            Arrived();
        }
        foreach (var reply in refused) reply.Fail(new ActorStoppedException(name, fault));
    }

    private void Arrived()
    {
        _arrival?.TrySetResult();
        _arrival = null;
    }

    private async Task WaitAsync(Lane lane, LinkedListNode<Poster> poster, CancellationToken cancellation)
    {
        using var registration = cancellation.UnsafeRegister(
            _ =>
            {
                lock (_gate) lane.Leave(poster);
            },
            null);
        if (await poster.Value.Admitted.Task.ConfigureAwait(false)) return;
        cancellation.ThrowIfCancellationRequested();
        throw new ActorStoppedException(name, _fault);
    }

    private sealed record Poster(Letter<TMessage> Letter)
    {
        public TaskCompletionSource<bool> Admitted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Guarded by the mailbox.</summary>
    private sealed class Lane(int maxMessages, long maxOctets)
    {
        private readonly Queue<Letter<TMessage>> _letters = new();
        private readonly LinkedList<Poster> _posters = new();

        public long Octets { get; private set; }

        public bool TryAdd(Letter<TMessage> letter)
        {
            if (_posters.Count > 0 || !Fits(letter)) return false;
            Add(letter);
            return true;
        }

        public LinkedListNode<Poster> Wait(Letter<TMessage> letter) => _posters.AddLast(new Poster(letter));

        public void Leave(LinkedListNode<Poster> poster)
        {
            if (poster.List is null) return;
            _posters.Remove(poster);
            poster.Value.Admitted.TrySetResult(false);
            Admit();
        }

        public Letter<TMessage>? Take()
        {
            if (!_letters.TryDequeue(out var letter)) return null;
            Octets -= letter.Octets;
            Admit();
            return letter;
        }

        public void Close(bool abandon, List<IReply> refused)
        {
            foreach (var poster in _posters) poster.Admitted.TrySetResult(false);
            _posters.Clear();
            if (!abandon) return;
            foreach (var letter in _letters)
            {
                if (letter.Question is { } question) refused.Add(question);
            }
            _letters.Clear();
            Octets = 0;
        }

        private bool Fits(Letter<TMessage> letter) => _letters.Count < maxMessages && letter.Octets <= maxOctets - Octets;

        private void Add(Letter<TMessage> letter)
        {
            _letters.Enqueue(letter);
            Octets += letter.Octets;
        }

        /// <summary>Strictly in order: a large letter is not overtaken by small ones for ever.</summary>
        private void Admit()
        {
            while (_posters.First is { } next && Fits(next.Value.Letter))
            {
                _posters.RemoveFirst();
                Add(next.Value.Letter);
                next.Value.Admitted.TrySetResult(true);
            }
        }
    }
}
