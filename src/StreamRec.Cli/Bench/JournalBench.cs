using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using StreamRec.Domain;
using StreamRec.Journal;

namespace StreamRec.Cli.Bench;

/// <summary>Durable appends: packed segments of several shards, each acknowledged after the sync, on SQLite or on PostgreSQL.</summary>
internal sealed class JournalBench
{
    public const int Interactions = Passes * Shards * SegmentsOfShard * SegmentInteractions;
    public const string OnSqlite = "append, SQLite";
    public const string OnPostgres = "append, PostgreSQL";

    private const int Passes = 3;
    private const int Shards = 8;
    private const int SegmentsOfShard = 250;
    private const int SegmentInteractions = 1_000;
    private const int Users = 1_000_000;
    private const int InFlight = 2;

    private readonly Segment[][] _segments = Segments();
    private readonly string? _connectionString;

    /// <param name="connectionString">A PostgreSQL in which a schema may come and go; null: SQLite in a scratch directory.</param>
    public JournalBench(string? connectionString) => _connectionString = connectionString;

    public static string Workload =>
        $"{Interactions:N0} interactions of {Users:N0} users, {Shards} shards with {InFlight} segments of {SegmentInteractions:N0} under way; "
        + "each acknowledged after the sync, what waits shares a commit; the stored interactions are counted.";

    public string Name => _connectionString is null ? OnSqlite : OnPostgres;

    /// <summary>What the last run committed: an anchor does the same.</summary>
    public (long Commits, long Bytes) Last { get; private set; }

    public IReadOnlyList<Contestant> Contestants => [AppendAsync];

    public async Task<IReadOnlyList<Sample>> AppendAsync(int round, CancellationToken cancellationToken)
    {
        using var scratch = new ScratchDirectory();
        var schema = $"streamrec_bench_{Guid.NewGuid():N}";
        var options = _connectionString is null
            ? new JournalOptions { Path = scratch["journal.db"] }
            : new JournalOptions { ConnectionString = new NpgsqlConnectionStringBuilder(_connectionString) { SearchPath = schema }.ToString() };
        try
        {
            return await AppendAsync(options, cancellationToken);
        }
        finally
        {
            if (_connectionString is not null)
            {
                await using var database = NpgsqlDataSource.Create(_connectionString);
                await using var drop = database.CreateCommand($"DROP SCHEMA IF EXISTS {schema} CASCADE");
                await drop.ExecuteNonQueryAsync(CancellationToken.None);
            }
        }
    }

    private async Task<IReadOnlyList<Sample>> AppendAsync(JournalOptions options, CancellationToken cancellationToken)
    {
        await using var journal = await SegmentJournal.OpenAsync(
            options, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, cancellationToken);
        await journal.AddItemsAsync([.. Enumerable.Range(0, Population.Items).Select(Population.ItemId)], cancellationToken);
        var leases = new PartitionLease[Passes * Shards];
        for (var partition = 0; partition < leases.Length; partition++)
        {
            leases[partition] = await journal.AcquireAsync(Population.Source with { Partition = partition }, cancellationToken);
        }

        using var commits = new Commits();
        var measured = await Measurement.OfAsync(Interactions, async () =>
        {
            foreach (var pass in leases.Chunk(Shards))
            {
                await Task.WhenAll(pass.Select((lease, shard) => Task.Run(
                    () => AppendAsync(journal, lease, _segments[shard], cancellationToken), cancellationToken)));
            }
        });
        Last = (commits.Count, commits.Bytes);
        var stored = (await journal.StatisticsAsync(cancellationToken)).Interactions;
        if (stored != Interactions)
        {
            throw new BenchFailedException($"The journal holds {stored:N0} interactions of {Interactions:N0}.");
        }

        return
        [
            measured.As(Name, "interactions"),
            new Sample($"{Name}: interactions in a commit", (double)Interactions / commits.Count, "interactions"),
            new Sample($"{Name}: bytes of an interaction", (double)commits.Bytes / Interactions, "B"),
        ];
    }

    private static async Task AppendAsync(IJournal journal, PartitionLease lease, Segment[] segments, CancellationToken cancellationToken)
    {
        var underWay = new Queue<Task<long>>();
        foreach (var segment in segments)
        {
            if (underWay.Count == InFlight)
            {
                await underWay.Dequeue();
            }

            underWay.Enqueue(journal.AppendAsync(lease, segment, cancellationToken).AsTask());
        }

        await Task.WhenAll(underWay);
    }

    private static Segment[][] Segments()
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, Shards).Select(_ => Enumerable.Range(0, SegmentsOfShard).Select(number =>
        {
            var users = new Dictionary<int, int>();
            var offset = (long)number * SegmentInteractions;
            var entries = new SegmentEntry[SegmentInteractions];
            for (var i = 0; i < entries.Length; i++)
            {
                var user = random.Next(Users);
                users.TryAdd(user, users.Count);
                entries[i] = new SegmentEntry(
                    users[user], random.Next(Population.Items), InteractionType.Click, offset + i, 1_700_000_000_000 + (10 * (offset + i)), double.NaN, null);
            }

            return new Segment(offset, offset + SegmentInteractions, offset, [.. users.Keys.Select(Population.UserId)], entries);
        }).ToArray())];
    }

    /// <summary>Counts what the journal's own meter says.</summary>
    private sealed class Commits : IDisposable
    {
        private readonly MeterListener _listener = new();
        private long _count;
        private long _bytes;

        public Commits()
        {
            _listener.InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Name is "streamrec.journal.commits" or "streamrec.journal.bytes")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, _, _) =>
                Interlocked.Add(ref instrument.Name == "streamrec.journal.commits" ? ref _count : ref _bytes, value));
            _listener.Start();
        }

        public long Count => Interlocked.Read(ref _count);

        public long Bytes => Interlocked.Read(ref _bytes);

        public void Dispose() => _listener.Dispose();
    }
}
