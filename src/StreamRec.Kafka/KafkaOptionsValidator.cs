using Microsoft.Extensions.Options;

namespace StreamRec.Kafka;

/// <summary>Refuses settings that cannot work or that would undo a guarantee; each message names the key, its value and what is allowed.</summary>
public sealed class KafkaOptionsValidator : IValidateOptions<KafkaOptions>
{
    private const int MaxTopicLength = 249;
    private const int MaxLogLength = 64;

    public ValidateOptionsResult Validate(string? name, KafkaOptions options)
    {
        var failures = new List<string>();
        if (options.BootstrapServers is not null && string.IsNullOrWhiteSpace(options.BootstrapServers))
        {
            failures.Add("Kafka:BootstrapServers is empty; it must be host:port, or absent for the embedded broker.");
        }

        if (string.IsNullOrWhiteSpace(options.GroupId))
        {
            failures.Add($"Kafka:GroupId is \"{options.GroupId}\"; it must have at least one visible character.");
        }

        if (options.InstanceId is { } instance && (instance.Length is 0 or > MaxTopicLength || !instance.All(IsTopicCharacter)))
        {
            failures.Add($"Kafka:InstanceId is \"{instance}\"; it must be 1 to {MaxTopicLength} letters, digits, dots, hyphens or underscores, or absent.");
        }

        if (options.Log is { } log && (log.Length is 0 or > MaxLogLength || !log.All(IsTopicCharacter)))
        {
            failures.Add($"Kafka:Log is \"{log}\"; it must be 1 to {MaxLogLength} letters, digits, dots, hyphens or underscores, or absent.");
        }

        Range(failures, nameof(options.Partitions), options.Partitions, 1, 10_000);
        Range(failures, nameof(options.MaxRecordBytes), options.MaxRecordBytes, 1024, 10 * 1024 * 1024);
        Range(failures, nameof(options.BatchSize), options.BatchSize, 1, 100_000);
        Range(failures, nameof(options.PollTimeout), options.PollTimeout, TimeSpan.FromMilliseconds(1), TimeSpan.FromSeconds(10));
        Range(failures, nameof(options.ConnectTimeout), options.ConnectTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
        Range(failures, nameof(options.CloseTimeout), options.CloseTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        ValidateTopics(failures, options.Topics);
        ValidateConfig(failures, nameof(options.Consumer), options.Consumer, ClientConfig.ConsumerGuarantees);
        ValidateConfig(failures, nameof(options.Producer), options.Producer, ClientConfig.ProducerGuarantees);
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    private static void ValidateTopics(List<string> failures, TopicNames topics)
    {
        (string Key, string Name)[] names =
        [
            (nameof(topics.Interactions), topics.Interactions), (nameof(topics.Items), topics.Items),
            (nameof(topics.Requests), topics.Requests), (nameof(topics.Recommendations), topics.Recommendations),
            (nameof(topics.DeadLetters), topics.DeadLetters),
        ];
        foreach (var (key, topic) in names)
        {
            if (topic is null or "" or "." or ".." || topic.Length > MaxTopicLength || !topic.All(IsTopicCharacter))
            {
                failures.Add($"Kafka:Topics:{key} is \"{topic}\"; it must be 1 to {MaxTopicLength} letters, digits, dots, hyphens or underscores.");
            }
        }

        foreach (var same in names.GroupBy(n => n.Name, StringComparer.Ordinal).Where(g => g.Count() > 1))
        {
            failures.Add($"Kafka:Topics: {string.Join(" and ", same.Select(n => n.Key))} are all \"{same.Key}\"; each must have a topic of its own.");
        }
    }

    private static void ValidateConfig(
        List<string> failures, string side, KafkaClientOptions client, IReadOnlyDictionary<string, string> guarantees)
    {
        foreach (var (key, value) in client.Config)
        {
            if (guarantees.TryGetValue(key, out var reason))
            {
                failures.Add($"Kafka:{side}:Config:{key} is \"{value}\"; it must be left out: {reason}.");
            }
            else if (key.Contains(':'))
            {
                failures.Add($"Kafka:{side}:Config:{key} is \"{value}\"; no property of librdkafka has a colon in its name.");
            }
        }
    }

    private static bool IsTopicCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_';

    private static void Range<T>(List<string> failures, string key, T value, T low, T high) where T : IComparable<T>
    {
        if (value.CompareTo(low) < 0 || value.CompareTo(high) > 0)
        {
            failures.Add($"Kafka:{key} is {value}; it must be in [{low}, {high}].");
        }
    }
}
