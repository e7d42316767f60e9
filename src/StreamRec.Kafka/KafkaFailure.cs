using Confluent.Kafka;

namespace StreamRec.Kafka;

/// <summary>Tells failures of the broker or the client from bugs, for callers that do not know the client library.</summary>
public static class KafkaFailure
{
    /// <summary>Whether Kafka is what failed; the message says how.</summary>
    public static bool Is(Exception exception) => exception is KafkaException;
}
