using StreamRec.Domain;

namespace StreamRec.Training;

/// <summary>The journal as training sees it: each user's items in the order in which they were applied.</summary>
/// <param name="Users">Users with at least one interaction that is not an impression, in the order of their first one.</param>
/// <param name="Arrivals">For each interaction in journal order: which user it belongs to and its journal position.</param>
public sealed record Histories(IReadOnlyList<UserHistory> Users, IReadOnlyList<Arrival> Arrivals)
{
    /// <summary>Reads the journal from its beginning to its newest segment.</summary>
    /// <param name="journal">The journal.</param>
    /// <param name="progress">Told the number of interactions read so far, or null.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public static async Task<Histories> ReadAsync(
        IJournal journal, IProgress<long>? progress, CancellationToken cancellationToken)
    {
        var index = new Dictionary<string, int>(StringComparer.Ordinal);
        var ids = new List<string>();
        var items = new List<List<int>>();
        var shown = new List<List<Impression>>();
        var arrivals = new List<Arrival>();
        await foreach (var stored in journal.ReadAsync(0, null, cancellationToken))
        {
            foreach (var entry in stored.Segment.Entries)
            {
                var id = stored.Segment.Users[entry.User];
                if (entry.Type == InteractionType.Impression)
                {
                    // What was shown before the first item says nothing of what comes after it.
                    if (index.TryGetValue(id, out var viewer))
                    {
                        shown[viewer].Add(new Impression(entry.Item, items[viewer].Count));
                    }

                    continue;
                }

                if (!index.TryGetValue(id, out var user))
                {
                    index[id] = user = ids.Count;
                    ids.Add(id);
                    items.Add([]);
                    shown.Add([]);
                }

                items[user].Add(entry.Item);
                arrivals.Add(new Arrival(user, stored.Position));
            }

            progress?.Report(arrivals.Count);
        }

        return new Histories([.. ids.Select((id, user) => new UserHistory(id, [.. items[user]]) { Shown = shown[user] })], arrivals);
    }

    /// <summary>
    /// Splits by time: the newest interactions are held out, each with the history that preceded it; the rest is for training.
    /// </summary>
    /// <param name="share">Share of all interactions to hold out, in (0, 0.5].</param>
    /// <param name="most">Interactions to hold out at the most.</param>
    /// <param name="afterPosition">
    /// Only interactions above this journal position are held out, half of them at the most: what a champion was trained on cannot judge it,
    /// and what is held out cannot be learnt from.
    /// </param>
    public TimeSplit SplitByTime(double share, int most, long afterPosition)
    {
        var fresh = Arrivals.Count;
        while (fresh > 0 && Arrivals[^fresh].Position <= afterPosition)
        {
            fresh--;
        }

        return SplitAt(Arrivals.Count - Math.Min(Math.Min(most, (int)(Arrivals.Count * share)), fresh / 2));
    }

    /// <summary>Splits by a journal position: everything above it is held out, each interaction with the history that preceded it.</summary>
    public TimeSplit SplitAfter(long position)
    {
        var cut = Arrivals.Count;
        while (cut > 0 && Arrivals[cut - 1].Position > position)
        {
            cut--;
        }

        return SplitAt(cut);
    }

    /// <summary>
    /// Leave-one-out: the last <paramref name="heldOut"/> items of each user are kept from training; the one at
    /// <paramref name="target"/> from the end is the test item, with everything before it as its history.
    /// </summary>
    /// <param name="heldOut">Items of each user that training does not see: 2 is the strict protocol, 1 the online one.</param>
    /// <param name="target">1 tests on the last item, 2 validates on the one before.</param>
    public LeaveOneOut SplitLast(int heldOut, int target)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(heldOut, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(target, 1);
        var train = new List<UserHistory>(Users.Count);
        var test = new List<TestCase>(Users.Count);
        foreach (var user in Users)
        {
            // A user with fewer than three items is trained on and never tested, as everywhere in the literature.
            if (user.Items.Length < 3)
            {
                train.Add(user);
                continue;
            }

            train.Add(user with { Items = user.Items[..^heldOut] });
            test.Add(new TestCase(user.UserId, user.Items.AsMemory(0, user.Items.Length - target), user.Items[^target]));
        }

        return new LeaveOneOut(train, test);
    }

    private TimeSplit SplitAt(int cut)
    {
        var lengths = new int[Users.Count];
        for (var i = 0; i < cut; i++)
        {
            lengths[Arrivals[i].User]++;
        }

        var train = new List<UserHistory>(Users.Count);
        for (var user = 0; user < Users.Count; user++)
        {
            if (lengths[user] > 0)
            {
                train.Add(Users[user] with { Items = Users[user].Items[..lengths[user]] });
            }
        }

        var heldOut = new List<TestCase>(Arrivals.Count - cut);
        for (var i = cut; i < Arrivals.Count; i++)
        {
            var user = Arrivals[i].User;
            var length = lengths[user]++;
            heldOut.Add(new TestCase(Users[user].UserId, Users[user].Items.AsMemory(0, length), Users[user].Items[length]));
        }

        return new TimeSplit(train, heldOut, cut == 0 ? 0 : Arrivals[cut - 1].Position);
    }
}

/// <summary>One interaction in journal order.</summary>
/// <param name="User">Index into <see cref="Histories.Users"/>.</param>
/// <param name="Position">Journal position of its segment.</param>
public readonly record struct Arrival(int User, long Position);

/// <summary>A split at a point in time.</summary>
/// <param name="Train">Histories up to the point.</param>
/// <param name="HeldOut">What came after it, in order.</param>
/// <param name="UpTo">Journal position of the last interaction in <paramref name="Train"/>.</param>
public sealed record TimeSplit(IReadOnlyList<UserHistory> Train, IReadOnlyList<TestCase> HeldOut, long UpTo);

/// <summary>A split by each user's last items.</summary>
/// <param name="Train">Histories without the held-out items.</param>
/// <param name="Test">One case for each user with at least three items.</param>
public sealed record LeaveOneOut(IReadOnlyList<UserHistory> Train, IReadOnlyList<TestCase> Test);
