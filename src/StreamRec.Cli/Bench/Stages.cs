using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Actors;
using StreamRec.Domain;
using StreamRec.Kafka;
using StreamRec.Kafka.Ingest;
using StreamRec.Kafka.Publish;
using StreamRec.Users;

namespace StreamRec.Cli.Bench;

/// <summary>The users stage alone, on any journal; no lists, no model, no counts.</summary>
internal sealed class Stages : IInteractionObserver, IListRequests, IAsyncDisposable
{
    private readonly ActorSystem _actors;
    private readonly KeepsNothing _journal;
    private Exception? _failure;

    public Stages(KeepsNothing journal, int partitions, int residentUsers)
    {
        _actors = new ActorSystem(TimeProvider.System, (_, exception) => Fail(exception));
        var options = new UsersOptions { RecommendOn = RecommendOn.RequestsOnly, ResidentUsers = residentUsers };
        _journal = journal;
        Shards = new UserShards(
            options, journal, this, this, Completed, _actors, TimeProvider.System, NullLogger<UserShards>.Instance)
        {
            Partitions = partitions,
        };
    }

    public UserShards Shards { get; }

    public CompletedOffsets Completed { get; } = new();

    /// <summary>Interactions applied, those of a turn counted together when the journal has acknowledged it.</summary>
    public long Applied => _journal.Interactions;

    /// <summary>Waits until so many are applied.</summary>
    public async Task AppliedAsync(long interactions, CancellationToken cancellationToken)
    {
        while (Applied < interactions)
        {
            if (_failure is not null)
            {
                throw _failure;
            }

            // Seldom: looking is processor time of the process that is measured.
            await Task.Delay(20, cancellationToken);
        }
    }

    /// <summary>Reads the interactions topic into the shards, until the result is disposed.</summary>
    public async Task<IAsyncDisposable> IngestAsync(KafkaOptions kafka, CancellationToken cancellationToken)
    {
        var cluster = await KafkaCluster.StartAsync(kafka, TimeProvider.System, NullLogger<KafkaCluster>.Instance, cancellationToken);
        var deadLetters = new DeadLetters(cluster, kafka, TimeProvider.System, NullLogger<DeadLetters>.Instance, Fail);
        var ingest = new KafkaIngest(
            cluster, kafka, new MappingOptions(), Shards, deadLetters, Completed, static _ => Task.CompletedTask, TimeProvider.System, NullLogger<KafkaIngest>.Instance, Fail);
        await ingest.StartAsync(cancellationToken);
        return new Ingest(cluster, deadLetters, ingest);
    }

    /// <inheritdoc/>
    public void Observed(ReadOnlySpan<byte> userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore)
    {
    }

    /// <inheritdoc/>
    public ValueTask PostAsync(ListRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException("No lists are asked for here.");

    public async ValueTask DisposeAsync()
    {
        await Shards.DisposeAsync();
        await _actors.DisposeAsync();
    }

    private void Fail(Exception exception) => _failure ??= exception;

    private sealed class Ingest(KafkaCluster cluster, DeadLetters deadLetters, KafkaIngest ingest) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await ingest.StopAsync(CancellationToken.None);
            ingest.Dispose();
            deadLetters.Dispose();
            await cluster.DisposeAsync();
        }
    }
}
