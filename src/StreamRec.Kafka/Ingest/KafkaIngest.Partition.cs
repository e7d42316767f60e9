using Confluent.Kafka;
using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <content>What ingest keeps of one assigned partition.</content>
public sealed partial class KafkaIngest
{
    /// <remarks>Invariant: batches join without a hole: the first offset of one is the next offset of the one before. Threading: written by the consumer thread.</remarks>
    private sealed class Partition(SourcePartition source, long firstOffset, long readFrom, TimeProvider time)
    {
        private readonly List<Task> _deadLettered = [];
        private IngestedInteractions _usable = new();
        private long _firstOffset = firstOffset;
        private long _nextOffset = readFrom;
        private long _logEnd = -1;
        private long _readAt;
        private InteractionBatch? _refused;
        private LogGap? _gap;
        private LogGap? _acceptedGap;

        public SourcePartition Source { get; } = source;

        public TopicPartition TopicPartition { get; } = new(source.Topic, source.Partition);

        /// <summary>The offset that is read next.</summary>
        public long NextOffset => Volatile.Read(ref _nextOffset);

        /// <summary>One past the log's newest record as last heard; negative when unknown.</summary>
        public long LogEnd
        {
            get => Volatile.Read(ref _logEnd);
            set => Volatile.Write(ref _logEnd, value);
        }

        /// <summary>A batch that the shard had no room for; while there is one, the partition is paused.</summary>
        public InteractionBatch? Refused
        {
            get => Volatile.Read(ref _refused);
            set => Volatile.Write(ref _refused, value);
        }

        /// <summary>The client found its offset outside the log, and the log has still to be asked what it holds.</summary>
        public bool MustVerify { get; set; }

        /// <summary>What of the log is missing; while there is a gap, the partition is paused and whatever still comes of it is left aside.</summary>
        public LogGap? Gap
        {
            get => Volatile.Read(ref _gap);
            set => Volatile.Write(ref _gap, value);
        }

        /// <summary>Whether this very gap may be gone over.</summary>
        public bool IsGapAccepted => Gap is { } gap && Volatile.Read(ref _acceptedGap) == gap;

        /// <summary>Lets reading go on behind the gap. From any thread.</summary>
        public void AcceptGap(LogGap gap) => Volatile.Write(ref _acceptedGap, gap);

        /// <summary>Its shard is gone and is being opened again, while which the partition is paused: the offset that the new shard asks for.</summary>
        public Task<long>? Reopening { get; set; }

        /// <summary>The request that wakes the client after a pause.</summary>
        public Task Waking { get; set; } = Task.CompletedTask;

        /// <summary>Where reading began.</summary>
        public long ReadFrom { get; } = readFrom;

        /// <summary>Records read since the last batch, usable or not.</summary>
        public int Records { get; private set; }

        /// <summary>There is something to hand over, and nothing that has to be handed over before it.</summary>
        public bool HasBatch => Records > 0 && Refused is null && Reopening is null;

        /// <summary>The shard had no room for what there is, which goes on growing.</summary>
        public bool IsWaiting { get; set; }

        /// <summary>Offset last asked to be committed.</summary>
        public long Committed { get; set; } = -1;

        public void Add(in DecodedInteraction interaction, long offset, string? traceParent)
        {
            interaction.AddTo(_usable, offset, traceParent);
            Advance(offset);
        }

        public void AddUnusable(long offset, Task deadLettered)
        {
            _deadLettered.Add(deadLettered);
            Advance(offset);
        }

        /// <summary>Goes on at an offset behind a gap.</summary>
        public void SkipTo(long offset)
        {
            Advance(offset - 1);
            Gap = null;
        }

        public void AddFiltered(long offset) => Advance(offset);

        /// <summary>What has been read since the last batch. It grows with what is read until <see cref="BeginBatch"/>.</summary>
        public InteractionBatch Batch() => new(
            Source, _firstOffset, NextOffset, _usable, _deadLettered.Count == 0 ? Task.CompletedTask : Task.WhenAll(_deadLettered))
        {
            ReadAt = _readAt,
        };

        /// <summary>Somebody has the batch.</summary>
        public void BeginBatch()
        {
            _firstOffset = NextOffset;
            // As the one before, which is somebody else's now: it will hardly have to grow.
            _usable = new IngestedInteractions(Records);
            _deadLettered.Clear();
            Records = 0;
        }

        private void Advance(long offset)
        {
            Volatile.Write(ref _nextOffset, offset + 1);
            if (Records++ == 0)
            {
                _readAt = time.GetTimestamp();
            }
        }
    }
}
