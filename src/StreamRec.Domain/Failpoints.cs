using System.Diagnostics;
using System.Globalization;

namespace StreamRec.Domain;

/// <summary>Places where a process may be killed, in the order of the flow: the edges between what is durable and what is not yet.</summary>
public enum Failpoint
{
    /// <summary>A partition's shard is open, and reading has not begun.</summary>
    PartitionOpened,

    /// <summary>A batch is decoded and not handed over.</summary>
    BatchRead,

    /// <summary>A record that cannot be used is not in the dead letters yet.</summary>
    DeadLetterWriting,

    /// <summary>It is, and nobody has heard of it.</summary>
    DeadLetterWritten,

    /// <summary>A transaction has changed everything and is not committed.</summary>
    JournalCommitting,

    /// <summary>It is committed, and nobody has heard of it.</summary>
    JournalCommitted,

    /// <summary>A turn is durable, and no list is asked for.</summary>
    TurnDurable,

    /// <summary>User states are durable, and the shard has not heard of it.</summary>
    StatesSaved,

    /// <summary>Lists are computed, and none is sent.</summary>
    ListsComputed,

    /// <summary>The broker has a list, and its interaction is not completed.</summary>
    ListPublished,

    /// <summary>Completed offsets are not committed to Kafka yet.</summary>
    OffsetsCommitting,

    /// <summary>They are.</summary>
    OffsetsCommitted,

    /// <summary>A checkpoint's files are durable under a temporary name.</summary>
    CheckpointWritten,

    /// <summary>The checkpoint has its name, and nothing points at it.</summary>
    CheckpointPublished,

    /// <summary>The aliases are written and not renamed to their place.</summary>
    AliasesWritten,

    /// <summary>The champion is another one, and the former one still serves.</summary>
    AliasesPublished,

    /// <summary>Partitions are being given up, and their shards are still open.</summary>
    PartitionsRevoked,
}

/// <summary>Kills the process at one of these places when the environment asks for it, which only tests do.</summary>
/// <remarks>
/// <c>STREAMREC_FAILPOINT=JournalCommitted:3</c>: at the third time. The variable is read once; without it a place costs one comparison.
/// Threading: any thread.
/// </remarks>
public static class Failpoints
{
    public const string Variable = "STREAMREC_FAILPOINT";

    private static Failpoint? _armed;
    private static int _left;

    /// <summary>Does what the environment asks for; called once, before the flow begins.</summary>
    /// <exception cref="ArgumentException">The variable is neither empty nor <c>place:times</c>.</exception>
    public static void Arm()
    {
        var place = Read(Environment.GetEnvironmentVariable(Variable), out var times);
        (_left, _armed) = (times, place);
    }

    /// <summary>Here it may end.</summary>
    public static void Hit(Failpoint place)
    {
        if (_armed == place && Interlocked.Decrement(ref _left) == 0)
        {
            // SIGKILL, and not a step further.
            Process.GetCurrentProcess().Kill();
            Thread.Sleep(Timeout.Infinite);
        }
    }

    /// <summary>The variable's content: a place and how often it is passed before the end; null when there is none.</summary>
    /// <exception cref="ArgumentException">Neither empty nor <c>place:times</c>.</exception>
    public static Failpoint? Read(string? text, out int times)
    {
        times = 0;
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && Enum.TryParse<Failpoint>(text[..colon], out var place) && place.ToString() == text[..colon]
            && int.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out times) && times > 0
            ? place
            : throw new ArgumentException($"{Variable} is '{text}'; it must be place:times, such as {Failpoint.JournalCommitted}:3, with a place of {string.Join(", ", Enum.GetNames<Failpoint>())}.");
    }
}
