using StreamRec.Domain;

namespace StreamRec.Journal.Tests;

/// <summary>Random operations, seeded, against a model in memory that says what the journal must hold.</summary>
public abstract partial class JournalContract
{
    [Theory]
    [InlineData(11, 0)]
    [InlineData(12, 0)]
    [InlineData(13, 4096)]
    [InlineData(14, 1)]
    [InlineData(15, 4)]
    [InlineData(16, 10)]
    public async Task Any_sequence_of_operations_leaves_what_the_model_holds(int seed, int joinSegments)
    {
        JoinSegments = joinSegments;
        await ReopenAsync();
        var random = new Random(seed);
        var model = new Model();
        var leases = new Dictionary<SourcePartition, List<PartitionLease>>();
        for (var step = 0; step < 250; step++)
        {
            var source = Some.Partition(random.Next(3));
            if (!leases.TryGetValue(source, out var mine) || random.Next(15) == 0)
            {
                var lease = await Journal.AcquireAsync(source, Token);
                Assert.Equal(model.Acquire(source), lease);
                (mine ??= leases[source] = []).Add(lease);
            }

            await StepAsync(random, model, mine, [.. leases.Values.SelectMany(all => all)]);
            if (random.Next(60) == 0)
            {
                await ReopenAsync();
            }
        }

        await CheckAsync(model, random);
    }

    private async Task StepAsync(Random random, Model model, List<PartitionLease> leases, List<PartitionLease> clean)
    {
        // Mostly the newest lease; sometimes any, which the model refuses when it is old.
        var lease = random.Next(8) == 0 ? leases[random.Next(leases.Count)] : leases[^1];
        switch (random.Next(10))
        {
            case < 5:
                var first = model.NextOffset(lease.Source) + (random.Next(10) == 0 ? 1 : 0);
                var segment = Some.Random(random, first, 15, () => Model.User(random));
                await MatchAsync(() => model.Append(lease, segment), async () => await Journal.AppendAsync(lease, segment, Token));
                break;
            case < 7:
                var saved = Enumerable.Range(0, random.Next(6))
                    .Select(_ => Some.Sequence(random, Model.User(random), random.Next(80), random.Next(2) == 0)).DistinctBy(s => s.UserId).ToList();
                var folded = random.NextInt64(model.Segments.Count + 1);
                var completed = random.NextInt64(model.NextOffset(lease.Source) + 1);
                await MatchAsync(
                    () => model.Save(lease, saved, folded, completed),
                    async () =>
                    {
                        await Journal.SaveUsersAsync(lease, saved, folded, completed, Token);
                        return 0;
                    });
                break;
            case < 8:
                var user = Model.User(random);
                Assert.Equal(model.Forget(user), (await Journal.ForgetAsync(user, clean, Token)).Interactions);
                break;
            default:
                await CheckAsync(model, random);
                break;
        }
    }

    private static async Task MatchAsync(Func<long?> inModel, Func<Task<long>> inJournal)
    {
        if (inModel() is { } expected)
        {
            Assert.Equal(expected, await inJournal());
        }
        else
        {
            await Assert.ThrowsAsync<FencedException>(inJournal);
        }
    }

    private async Task CheckAsync(Model model, Random random)
    {
        var after = random.NextInt64(model.Segments.Count + 1);
        SourcePartition? source = random.Next(2) == 0 ? Some.Partition(random.Next(3)) : null;
        var expected = model.Segments.Where(s => s.Position > after && (source is null || s.Source == source)).ToList();
        var read = await ReadAllAsync(after, source);
        Assert.Equal(expected.Select(s => (s.Position, s.Source)), read.Select(s => (s.Position, s.Source)));
        expected.Zip(read).ToList().ForEach(pair => Some.AssertSameContent(pair.First.Segment, pair.Second.Segment));

        string[] users = [.. Enumerable.Range(0, 10).Select(_ => Model.User(random))];
        var loaded = await Journal.LoadUsersAsync(users, Token);
        users.Zip(loaded).ToList().ForEach(pair => Some.AssertSame(model.States.GetValueOrDefault(pair.First), pair.Second));

        var statistics = await Journal.StatisticsAsync(Token);
        Assert.Equal(
            (model.Segments.Sum(s => s.Segment.Entries.Count), model.States.Count, model.Segments.Count),
            (statistics.Interactions, statistics.Users, statistics.Position));
        Assert.InRange(statistics.Segments, JoinSegments is 0 or 4096 ? model.Segments.Count : 0, model.Segments.Count);
    }

    /// <summary>A journal in the fewest words.</summary>
    private sealed class Model
    {
        private readonly Dictionary<SourcePartition, PartitionLease> _partitions = [];

        public List<StoredSegment> Segments { get; } = [];

        public Dictionary<string, BehaviorSequence> States { get; } = [];

        public static string User(Random random) => $"user-{random.Next(25)}";

        public long NextOffset(SourcePartition source) => _partitions[source].NextOffset;

        public PartitionLease Acquire(SourcePartition source)
        {
            var before = _partitions.GetValueOrDefault(source) ?? new PartitionLease(source, 0, 0, 0, 0);
            return _partitions[source] = before with { Epoch = before.Epoch + 1 };
        }

        public long? Append(PartitionLease lease, Segment segment)
        {
            var now = _partitions[lease.Source];
            if (now.Epoch != lease.Epoch || now.NextOffset != segment.FirstOffset)
            {
                return null;
            }

            Segments.Add(new StoredSegment(Segments.Count + 1, lease.Source, segment));
            _partitions[lease.Source] = now with
            {
                NextOffset = segment.NextOffset,
                CompletedOffset = Math.Max(now.CompletedOffset, segment.CompletedOffset),
            };
            return Segments.Count;
        }

        public long? Save(PartitionLease lease, List<BehaviorSequence> sequences, long folded, long completed)
        {
            var now = _partitions[lease.Source];
            if (now.Epoch != lease.Epoch)
            {
                return null;
            }

            sequences.ForEach(sequence => States[sequence.UserId] = sequence);
            _partitions[lease.Source] = now with
            {
                FoldedPosition = Math.Max(now.FoldedPosition, folded),
                CompletedOffset = Math.Max(now.CompletedOffset, completed),
            };
            return 0;
        }

        public long Forget(string user)
        {
            States.Remove(user);
            var before = Segments.Sum(s => s.Segment.Entries.Count);
            for (var i = 0; i < Segments.Count; i++)
            {
                var segment = Segments[i].Segment;
                var users = segment.Users.Where(u => u != user).ToList();
                var entries = segment.Entries.Where(e => segment.Users[e.User] != user)
                    .Select(e => e with { User = users.IndexOf(segment.Users[e.User]) }).ToList();
                Segments[i] = Segments[i] with { Segment = segment with { Users = users, Entries = entries } };
            }

            return before - Segments.Sum(s => s.Segment.Entries.Count);
        }
    }
}
