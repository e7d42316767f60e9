using Microsoft.Extensions.Options;

namespace StreamRec.Training;

/// <summary>Settings of continuous training.</summary>
public sealed record TrainingOptions
{
    public const string SectionName = "Training";

    /// <summary>Whether the server trains at all.</summary>
    public TrainingMode Mode { get; init; } = TrainingMode.Continuous;

    /// <summary>The family that is trained, unless the recipe names it.</summary>
    public string Family { get; init; } = "recgpt";

    /// <summary>The family's recipe file; null uses the recipe's own defaults.</summary>
    public string? Recipe { get; init; }

    /// <summary>A run starts when this many interactions are new since the last one. 100 or more.</summary>
    public int EveryInteractions { get; init; } = 50_000;

    /// <summary>A run starts when this much time has passed and at least <see cref="MinInteractions"/> are new. 1 s or more.</summary>
    public TimeSpan Every { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Fewer new interactions than this start nothing. 10 or more.</summary>
    public int MinInteractions { get; init; } = 1_000;

    /// <summary>How long one run may take gradient steps. 1 s to 24 h.</summary>
    public TimeSpan Budget { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Passes over the fresh histories at the most in one run, 1 to 1000.</summary>
    public int MaxEpochs { get; init; } = 10;

    /// <summary>Share of the newest interactions that is held out and judges the candidate against the champion, in (0, 0.5].</summary>
    public double HoldOut { get; init; } = 0.1;

    /// <summary>Interactions held out at the most, 10 to 1,000,000.</summary>
    public int MaxHeldOut { get; init; } = 2_000;

    /// <summary>A candidate needs at least this share of the champion's NDCG@10 on the held-out interactions, in [0, 2].</summary>
    public double MinNdcgRatio { get; init; } = 1.0;

    /// <summary>Checkpoints of the family that are kept besides those that an alias points at, 1 to 1000.</summary>
    public int KeepCheckpoints { get; init; } = 5;

    /// <summary>Seed of the first run; each later run adds one.</summary>
    public int Seed { get; init; } = 1;
}

/// <summary>Whether the server trains.</summary>
public enum TrainingMode
{
    /// <summary>No training in the server; models come from <c>streamrec train</c> or from elsewhere.</summary>
    Off,

    /// <summary>Fine-tunes on fresh interactions and activates what passes the gate.</summary>
    Continuous,
}

/// <summary>Checks <see cref="TrainingOptions"/> at start.</summary>
public sealed class TrainingOptionsValidator : IValidateOptions<TrainingOptions>
{
    public ValidateOptionsResult Validate(string? name, TrainingOptions options)
    {
        var failures = new List<string>();
        Check(nameof(options.EveryInteractions), options.EveryInteractions, 100, int.MaxValue);
        Check(nameof(options.Every), options.Every.TotalSeconds, 1, TimeSpan.FromDays(365).TotalSeconds);
        Check(nameof(options.MinInteractions), options.MinInteractions, 10, int.MaxValue);
        Check(nameof(options.Budget), options.Budget.TotalSeconds, 1, TimeSpan.FromDays(1).TotalSeconds);
        Check(nameof(options.MaxEpochs), options.MaxEpochs, 1, 1000);
        Check(nameof(options.HoldOut), options.HoldOut, 0.001, 0.5);
        Check(nameof(options.MaxHeldOut), options.MaxHeldOut, 10, 1_000_000);
        Check(nameof(options.MinNdcgRatio), options.MinNdcgRatio, 0, 2);
        Check(nameof(options.KeepCheckpoints), options.KeepCheckpoints, 1, 1000);
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);

        void Check(string key, double value, double low, double high)
        {
            if (!(value >= low && value <= high))
            {
                failures.Add($"{TrainingOptions.SectionName}:{key} is {value}; it must be in [{low}, {high}].");
            }
        }
    }
}
