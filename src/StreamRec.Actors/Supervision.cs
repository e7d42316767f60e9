namespace StreamRec.Actors;

/// <summary>What happens to an actor whose handler threw.</summary>
public enum Directive
{
    /// <summary>After a pause a fresh instance goes on with the next message.</summary>
    Restart,

    /// <summary>The actor stops; nobody else is disturbed.</summary>
    Stop,

    /// <summary>The actor stops and the system is told, so that the host stops too.</summary>
    Escalate,
}

/// <summary>Decides over failures of one actor: what to do, how long to wait before a restart and how many restarts are too many.</summary>
/// <remarks>The n-th restart within <see cref="Within"/> waits MinBackoff · 2^(n-1), at most MaxBackoff; one more than <see cref="MaxRestarts"/> escalates.</remarks>
public sealed record Supervision
{
    /// <summary>Restarts with the default pauses.</summary>
    public static Supervision Restarting { get; } = new();

    /// <summary>Stops at the first failure.</summary>
    public static Supervision Stopping { get; } = new() { Decide = static _ => Directive.Stop };

    /// <summary>Escalates the first failure.</summary>
    public static Supervision Escalating { get; } = new() { Decide = static _ => Directive.Escalate };

    /// <summary>What to do about an exception. Must not throw.</summary>
    public Func<Exception, Directive> Decide { get; init; } = static _ => Directive.Restart;

    /// <summary>Restarts allowed within <see cref="Within"/>; 0 or more.</summary>
    public int MaxRestarts { get; init; } = 10;

    /// <summary>The window in which restarts count.</summary>
    public TimeSpan Within { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Pause before the first restart.</summary>
    public TimeSpan MinBackoff { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Longest pause before a restart.</summary>
    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>Counts the restarts of one actor within the window.</summary>
internal sealed class RestartWindow(Supervision supervision, TimeProvider time)
{
    private readonly Queue<long> _restarts = new();

    /// <summary>Takes one restart; false when there have been too many.</summary>
    public bool TryTake(out TimeSpan backoff)
    {
        while (_restarts.TryPeek(out var oldest) && time.GetElapsedTime(oldest) > supervision.Within)
        {
            _restarts.Dequeue();
        }

        // Doubling 2^30 times the smallest pause is past any sensible maximum and still fits a double.
        var doublings = Math.Min(_restarts.Count, 30);
        var ticks = Math.Min(supervision.MinBackoff.Ticks * Math.Pow(2, doublings), supervision.MaxBackoff.Ticks);
        backoff = TimeSpan.FromTicks((long)ticks);
        if (_restarts.Count >= supervision.MaxRestarts)
        {
            return false;
        }

        _restarts.Enqueue(time.GetTimestamp());
        return true;
    }
}
