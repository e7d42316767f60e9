using System.Runtime.InteropServices;
using StreamRec.Domain;
using StreamRec.Inference;
using StreamRec.Models.Transitions;

namespace StreamRec.Server;

/// <summary>What is counted of the stream, from a while before the start to the newest interaction: popularity and transitions.</summary>
public sealed class StreamCounts : IInteractionObserver
{
    private StreamCounts(Popularity popularity, TransitionEvidence transitions, FallbackLists lists) =>
        (Popularity, Transitions, Lists) = (popularity, transitions, lists);

    public Popularity Popularity { get; }

    public TransitionEvidence Transitions { get; }

    /// <summary>Lists from both.</summary>
    public FallbackLists Lists { get; }

    /// <summary>Counts the newest that a journal holds, in one pass.</summary>
    /// <param name="journal">The journal.</param>
    /// <param name="newest">How many records: what a start costs must not grow with what was ever stored.</param>
    /// <param name="settings">How transitions are counted and asked.</param>
    /// <param name="time">The clock of popularity's ranking.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public static async Task<StreamCounts> ReadAsync(
        IJournal journal, long newest, TransitionsSettings settings, TimeProvider time, CancellationToken cancellationToken)
    {
        var (popularity, transitions) = (new Popularity(journal.Catalogue, time), new TransitionCounts(settings, journal.Catalogue.Count));
        var recent = new Dictionary<string, List<int>>(StringComparer.Ordinal);
        var after = await journal.FindNewestAsync(newest, cancellationToken);
        await foreach (var stored in journal.ReadAsync(after, null, cancellationToken))
        {
            foreach (var entry in stored.Segment.Entries)
            {
                if (entry.Type != InteractionType.Impression)
                {
                    popularity.Count(entry.Item);
                    transitions.Count(entry.Item, Before(stored.Segment.Users[entry.User], entry.Item));
                }
            }
        }

        var evidence = new TransitionEvidence(transitions, settings);
        return new StreamCounts(popularity, evidence, new FallbackLists(journal.Catalogue, evidence, popularity));

        // The user's items before this one, which is added; twice the reach is kept, so that trimming is rare.
        Span<int> Before(string user, int item)
        {
            if (!recent.TryGetValue(user, out var items))
            {
                recent[user] = items = new List<int>(4);
            }

            if (items.Count >= 2 * settings.Reach)
            {
                items.RemoveRange(0, settings.Reach);
            }

            items.Add(item);
            return CollectionsMarshal.AsSpan(items)[..^1];
        }
    }

    /// <inheritdoc/>
    public void Observed(ReadOnlySpan<byte> userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore)
    {
        Popularity.Observed(userId, entry, historyBefore);
        Transitions.Counts.Observed(userId, entry, historyBefore);
    }
}
