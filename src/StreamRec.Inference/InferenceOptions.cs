using Microsoft.Extensions.Options;

namespace StreamRec.Inference;

/// <summary>Settings of the inference pool.</summary>
public sealed record InferenceOptions
{
    public const string SectionName = "Inference";

    /// <summary>Lists computed in one batch at the most. 1 to 4096; larger batches raise throughput until the cache is full, and latency always.</summary>
    public int MaxBatchSize { get; init; } = 64;

    /// <summary>Requests that wait at the most, 1 to 10,000,000. At the bound shards wait, and with them the partitions: nothing is dropped.</summary>
    public int QueueCapacity { get; init; } = 20_000;

    /// <summary>Threads that compute lists, 1 to 64. The native thread budget is set apart, so the rule on a CPU is one for each core to spend.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>
    /// How long a batch may take, 1 ms to 10 min: what no time is left for gets the fallback list, which says <c>overload</c>. Only models
    /// that write text look at it; the others answer at once.
    /// </summary>
    public TimeSpan AnswerTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Tokens that a model which reads text may read for a batch, 1 to 100,000,000; what is beyond gets the fallback list likewise.</summary>
    public int AnswerTokens { get; init; } = 100_000;
}

public sealed class InferenceOptionsValidator : IValidateOptions<InferenceOptions>
{
    public ValidateOptionsResult Validate(string? name, InferenceOptions options)
    {
        var failures = new List<string>();
        Check(nameof(options.MaxBatchSize), options.MaxBatchSize, 1, 4096);
        Check(nameof(options.QueueCapacity), options.QueueCapacity, 1, 10_000_000);
        Check(nameof(options.Workers), options.Workers, 1, 64);
        Check(nameof(options.AnswerTokens), options.AnswerTokens, 1, 100_000_000);
        if (options.AnswerTime < TimeSpan.FromMilliseconds(1) || options.AnswerTime > TimeSpan.FromMinutes(10))
        {
            failures.Add($"{InferenceOptions.SectionName}:{nameof(options.AnswerTime)} is {options.AnswerTime}; it must be in [00:00:00.001, 00:10:00].");
        }

        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);

        void Check(string key, int value, int low, int high)
        {
            if (value < low || value > high)
            {
                failures.Add($"{InferenceOptions.SectionName}:{key} is {value}; it must be in [{low}, {high}].");
            }
        }
    }
}
