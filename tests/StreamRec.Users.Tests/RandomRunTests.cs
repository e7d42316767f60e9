using StreamRec.Domain;
using static StreamRec.Users.Tests.Node;

namespace StreamRec.Users.Tests;

/// <summary>
/// Seeded runs over one partition that crash, close, lose the partition to another owner and recover at any point. In the end journal,
/// saved states and memory must equal a plain fold of the records, and the newest list of each user must cover its last interaction.
/// </summary>
public sealed class RandomRunTests
{
    private const int Seeds = 400;

    [Fact]
    public async Task Whatever_ends_a_process_no_interaction_is_lost_or_applied_twice_and_every_list_comes_out()
    {
        for (var seed = 0; seed < Seeds; seed++)
        {
            try
            {
                await using var run = new Run(seed);
                await run.ExecuteAsync();
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"Run with seed {seed} failed: {exception.Message}", exception);
            }
        }
    }

    private sealed class Run : IAsyncDisposable
    {
        private readonly Random _random;
        private readonly UsersOptions _options;
        private readonly List<Record> _topic = [];
        private readonly Dictionary<string, long> _newestPublished = [];
        private long _end;
        private Node _node;

        public Run(int seed)
        {
            _random = new Random(seed);
            _options = new UsersOptions
            {
                MaxSequence = _random.Next(1, 12),
                ResidentUsers = _random.Next(1, 12),
                MailboxBatches = _random.Next(1, 4),
                TurnInteractions = _random.Next(1, 20),
                CommitsInFlight = _random.Next(1, 4),
                SaveBatch = _random.Next(1, 4),
            };
            WriteTopic();
            _node = new Node(_options);
        }

        private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

        public async Task ExecuteAsync()
        {
            for (var life = _random.Next(1, 5); life > 0; life--)
            {
                await LiveAsync(last: life == 1);
                if (life > 1)
                {
                    await EndAsync();
                }
            }

            await _node.Changes.WaitAsync(
                () => _node.Offsets.Of(Source) == _end || _node.Journal.LeaseOf(Source).CompletedOffset == _end);
            await CheckMemoryAsync();
            await _node.CloseAsync();
            await _node.DisposeAsync();
            RememberPublished();
            CheckJournal();
            CheckLists();
        }

        public ValueTask DisposeAsync() => _node.DisposeAsync();

        /// <summary>Reads from where opening says, in batches cut anew, while commits, lists and saves come at random.</summary>
        private async Task LiveAsync(bool last)
        {
            _node.Journal.HoldAppends = !last && _random.Next(2) == 0;
            _node.Lists.PublishAtOnce = last || _random.Next(3) == 0;
            _node.Lists.Capacity = _random.Next(1, 6);
            var opened = await _node.Shards.OpenAsync(Source, Cancelled);
            var from = opened;
            var steps = last ? int.MaxValue : _random.Next(0, 120);
            for (var step = 0; step < steps && from < _end; step++)
            {
                var batch = Cut(from, (int)Math.Min(_end - from, _random.Next(1, 9)));
                if (_node.Shards.TryDeliver(batch) == Delivery.Taken)
                {
                    // Sometimes the consumer goes back, as after a rebalance; at the end it has to arrive.
                    from = !last && _random.Next(12) == 0 ? _random.NextInt64(opened, batch.NextOffset) : batch.NextOffset;
                }

                Disturb();
                await Task.Yield();
                _node.ThrowIfEscalated();
            }
        }

        private void Disturb()
        {
            switch (_random.Next(6))
            {
                case 0:
                case 1:
                    _node.Journal.ReleaseAppend();
                    break;
                case 2:
                case 3:
                    _node.Lists.Publish(_random.Next(3));
                    break;
                case 4:
                    _node.Time.Advance(_options.SaveInterval);
                    break;
                default:
                    // A moment in which the shard runs on alone.
                    Thread.Yield();
                    break;
            }
        }

        private async Task EndAsync()
        {
            var zombie = _node;
            switch (_random.Next(3))
            {
                case 0:
                    await CloseAsync();
                    await zombie.DisposeAsync();
                    break;
                case 1:
                    // The partition is taken while this one still lives; what it has under way must be refused.
                    await zombie.Journal.AcquireAsync(Source, Cancelled);
                    zombie.Journal.HoldAppends = false;
                    while (zombie.Journal.ReleaseAppend())
                    {
                        // Each is refused: the epoch is old.
                    }

                    await zombie.DisposeAsync();
                    break;
                default:
                    await zombie.CrashAsync(_random);
                    break;
            }

            RememberPublished();
            _node = new Node(_options, zombie);
        }

        private async Task CloseAsync()
        {
            var closing = _node.CloseAsync().AsTask();
            while (!closing.IsCompleted)
            {
                Disturb();
                if (_random.Next(50) == 0)
                {
                    _node.Time.Advance(_options.CloseTimeout);
                }

                await Task.Yield();
            }

            await closing;
        }

        private void WriteTopic()
        {
            for (var records = _random.Next(1, 150); records > 0; records--)
            {
                // Gaps, as compaction and transaction markers leave them; some records are unusable.
                _end += _random.Next(5) == 0 ? _random.Next(1, 4) : 0;
                var usable = _random.Next(10) != 0;
                var type = _random.Next(8) == 0 ? InteractionType.Impression : InteractionType.Click;
                var eventId = _random.Next(3) == 0 ? $"e{_random.Next(40)}" : null;
                if (usable)
                {
                    _topic.Add(Record(_end, $"u{_random.Next(8)}", $"i{_random.Next(20)}", type, eventId));
                }

                _end++;
            }
        }

        private InteractionBatch Cut(long from, int offsets) =>
            Batch(
                from,
                from + offsets,
                [.. _topic.Where(record => record.Offset >= from && record.Offset < from + offsets)]);

        private void RememberPublished()
        {
            foreach (var list in _node.Lists.Published)
            {
                _newestPublished[list.UserId] = Math.Max(_newestPublished.GetValueOrDefault(list.UserId), list.Sequence);
            }
        }

        /// <summary>What must have been applied: every usable record but those whose event id is among the user's newest 256.</summary>
        private Dictionary<string, List<Record>> Expected()
        {
            var expected = new Dictionary<string, List<Record>>();
            foreach (var record in _topic)
            {
                var applied = expected.TryGetValue(record.Interaction.UserId, out var known)
                    ? known
                    : expected[record.Interaction.UserId] = [];
                var recent = applied.Select(one => one.Interaction.EventId).Where(id => id is not null).TakeLast(256);
                if (record.Interaction.EventId is null || !recent.Contains(record.Interaction.EventId))
                {
                    applied.Add(record);
                }
            }

            return expected;
        }

        private async Task CheckMemoryAsync()
        {
            foreach (var (user, applied) in Expected())
            {
                var shown = await _node.Shards.GetUserAsync(user, Cancelled);
                Assert.Equal(applied.Count, shown!.Count);
                Assert.Equal(Newest(applied), shown.Entries.ToArray());
            }
        }

        private void CheckJournal()
        {
            var stored = _node.Journal.Segments
                .SelectMany(segment => segment.Segment.Entries.Select(entry => (User: segment.Segment.Users[entry.User], entry.Offset)))
                .ToList();
            var expected = Expected().SelectMany(user => user.Value).OrderBy(record => record.Offset);
            Assert.Equal(expected.Select(record => (record.Interaction.UserId, record.Offset)), stored);
            foreach (var (user, applied) in Expected())
            {
                var saved = _node.Journal.Saved(user)!;
                Assert.Equal(applied.Count, saved.Count);
                Assert.Equal(Newest(applied), saved.Entries.ToArray());
            }

            var lease = _node.Journal.LeaseOf(Source);
            Assert.Equal((_end, _end), (lease.NextOffset, lease.CompletedOffset));
        }

        private void CheckLists()
        {
            foreach (var (user, applied) in Expected())
            {
                // The sequence, not the cause: a list that a redelivered record asks for covers everything applied since.
                var asking = applied.FindLastIndex(record => record.Interaction.Type != InteractionType.Impression) + 1;
                var newest = _newestPublished.GetValueOrDefault(user);
                Assert.True(newest >= asking, $"the newest list of {user} covers {newest} interactions, not {asking}");
            }
        }

        private SequenceEntry[] Newest(List<Record> applied) =>
            [.. applied.TakeLast(_options.MaxSequence).Select(record => new SequenceEntry(Item(record), record.Interaction.Type))];

        private int Item(Record record) =>
            _node.Journal.Catalogue.TryGetNumber(record.Interaction.ItemId, out var item) ? item : -1;
    }
}
