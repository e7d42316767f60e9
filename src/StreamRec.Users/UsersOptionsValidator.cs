using Microsoft.Extensions.Options;

namespace StreamRec.Users;

/// <summary>Refuses settings outside the ranges that <see cref="UsersOptions"/> documents, all of them in one message.</summary>
public sealed class UsersOptionsValidator : IValidateOptions<UsersOptions>
{
    private const string Section = UsersOptions.SectionName;

    public ValidateOptionsResult Validate(string? name, UsersOptions options)
    {
        var failures = new List<string>();
        Check(failures, nameof(options.MaxSequence), options.MaxSequence, 1, 65_536);
        Check(failures, nameof(options.ResidentUsers), options.ResidentUsers, 1, int.MaxValue);
        Check(failures, nameof(options.MailboxBatches), options.MailboxBatches, 1, 1024);
        Check(failures, nameof(options.TurnInteractions), options.TurnInteractions, 1, 1_000_000);
        Check(failures, nameof(options.CommitsInFlight), options.CommitsInFlight, 1, 64);
        Check(failures, nameof(options.SaveInterval), options.SaveInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromHours(1));
        Check(failures, nameof(options.SaveBatch), options.SaveBatch, 1, 1_000_000);
        Check(failures, nameof(options.K), options.K, 1, 1000);
        Check(failures, nameof(options.CloseTimeout), options.CloseTimeout, TimeSpan.Zero, TimeSpan.FromMinutes(5));
        if (!Enum.IsDefined(options.RecommendOn))
        {
            failures.Add(
                $"{Section}:{nameof(options.RecommendOn)} is {options.RecommendOn}; it must be one of {string.Join(", ", Enum.GetNames<RecommendOn>())}.");
        }

        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    private static void Check<T>(List<string> failures, string key, T value, T least, T most)
        where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
        {
            failures.Add($"{Section}:{key} is {value}; it must be in [{least}, {most}].");
        }
    }
}
