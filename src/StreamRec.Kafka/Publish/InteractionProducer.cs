using System.Buffers;
using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;

namespace StreamRec.Kafka.Publish;

/// <summary>Writes interactions and catalogue entries to their topics, as any producer would: what <c>replay</c> and <c>simulate</c> use.</summary>
/// <remarks>
/// On an embedded broker it never runs further ahead of the server than the broker keeps (see <see cref="RetentionGuard"/>): it waits instead.
/// Threading: one caller. Dispose after the last record: it waits for acknowledgements.
/// </remarks>
public sealed class InteractionProducer : IDisposable
{
    private readonly RecordProducer _interactions;
    private readonly RecordProducer _items;
    private readonly RetentionGuard? _guard;
    private readonly ArrayBufferWriter<byte> _buffer = new(512);
    private readonly string _topic;
    private Exception? _failure;
    private long _sent;
    private long _acknowledged;

    public InteractionProducer(KafkaCluster cluster, KafkaOptions options, ILogger<InteractionProducer> logger)
    {
        _topic = options.Topics.Interactions;
        var config = ClientConfig.Producer(cluster, options);
        config.LingerMs = 5;
        _interactions = new RecordProducer(config, _topic, logger, Fail);
        _items = new RecordProducer(ClientConfig.Producer(cluster, options), options.Topics.Items, logger, Fail);
        _guard = cluster.IsEmbedded ? new RetentionGuard(cluster, options) : null;
    }

    /// <summary>Records that the broker has acknowledged.</summary>
    public long Acknowledged => Interlocked.Read(ref _acknowledged);

    /// <summary>Sends one interaction; waits while the queue is full or the server is too far behind an embedded broker's retention.</summary>
    /// <exception cref="KafkaException">A record could not be written.</exception>
    public async ValueTask SendAsync(Interaction interaction, CancellationToken cancellationToken)
    {
        if (_failure is not null)
        {
            throw _failure;
        }

        var value = Write(interaction);
        if (_guard is not null)
        {
            await _guard.WaitAsync(value.Length, cancellationToken);
        }

        _sent++;
        _interactions.Produce(
            new Message<byte[], byte[]> { Key = Encoding.UTF8.GetBytes(interaction.UserId), Value = value },
            report =>
            {
                if (report.Error.IsError)
                {
                    _interactions.Fail(report.Error);
                    return;
                }

                _guard?.Delivered(report.Partition.Value, report.Offset.Value);
                Interlocked.Increment(ref _acknowledged);
            });
    }

    /// <summary>Describes an item.</summary>
    public void Describe(string itemId, string title, string categories)
    {
        _buffer.ResetWrittenCount();
        using (var json = new Utf8JsonWriter(_buffer))
        {
            json.WriteStartObject();
            json.WriteString("item_id"u8, itemId);
            json.WriteString("title"u8, title);
            json.WriteString("categories"u8, categories);
            json.WriteBoolean("available"u8, true);
            json.WriteEndObject();
        }

        _items.Produce(
            new Message<byte[], byte[]> { Key = Encoding.UTF8.GetBytes(itemId), Value = _buffer.WrittenSpan.ToArray() },
            report =>
            {
                if (report.Error.IsError)
                {
                    _items.Fail(report.Error);
                }
            });
    }

    /// <summary>Waits until everything sent is acknowledged.</summary>
    /// <exception cref="KafkaException">A record could not be written.</exception>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        while (Acknowledged < _sent)
        {
            if (_failure is not null)
            {
                throw _failure;
            }

            await Task.Delay(5, cancellationToken);
        }
    }

    public void Dispose()
    {
        _interactions.Dispose();
        _items.Dispose();
        _guard?.Dispose();
    }

    private void Fail(Exception exception) => _failure ??= exception;

    private byte[] Write(in Interaction interaction)
    {
        _buffer.ResetWrittenCount();
        using var json = new Utf8JsonWriter(_buffer);
        json.WriteStartObject();
        if (interaction.EventId is not null)
        {
            json.WriteString("event_id"u8, interaction.EventId);
        }

        json.WriteString("user_id"u8, interaction.UserId);
        json.WriteString("item_id"u8, interaction.ItemId);
        json.WriteString("type"u8, interaction.Type switch
        {
            InteractionType.View => "view"u8,
            InteractionType.Cart => "cart"u8,
            InteractionType.Purchase => "purchase"u8,
            InteractionType.Rating => "rating"u8,
            InteractionType.Impression => "impression"u8,
            _ => "click"u8,
        });
        // Without a time of its own an interaction takes the record's.
        if (interaction.TimestampMs > 0)
        {
            json.WriteNumber("timestamp"u8, interaction.TimestampMs);
        }

        if (!double.IsNaN(interaction.Value))
        {
            json.WriteNumber("value"u8, interaction.Value);
        }

        json.WriteEndObject();
        json.Flush();
        return _buffer.WrittenSpan.ToArray();
    }
}
