using Microsoft.Extensions.Options;
using Npgsql;
using StreamRec.Domain;

namespace StreamRec.Journal;

/// <summary>Refuses settings outside their range when the host starts, and when a journal is opened without a host.</summary>
public sealed class JournalOptionsValidator : IValidateOptions<JournalOptions>
{
    private const int MaxCommitQueue = 65_536;
    private const int MaxJoinSegments = 65_536;

    public ValidateOptionsResult Validate(string? name, JournalOptions options)
    {
        var failures = new List<string>();
        if (string.IsNullOrWhiteSpace(options.Path))
        {
            failures.Add("Journal:Path is empty; it must name a file, such as data/journal.db.");
        }

        if (options.ConnectionString is not null)
        {
            try
            {
                if (string.IsNullOrWhiteSpace(new NpgsqlConnectionStringBuilder(options.ConnectionString).Host))
                {
                    failures.Add("Journal:ConnectionString names no host; it must be like Host=db;Database=streamrec;Username=streamrec;Password=….");
                }
            }
            catch (ArgumentException)
            {
                // Neither the value nor what Npgsql says of it: both may hold a piece of a password.
                failures.Add("Journal:ConnectionString cannot be read; it must be key=value pairs like Host=db;Database=streamrec;Username=streamrec;Password=….");
            }

            if (options.Synchronous == JournalSynchronous.Normal)
            {
                failures.Add("Journal:Synchronous is Normal; with Journal:ConnectionString it must be Full: nodes outlive a crash of the database, and would count on what it lost.");
            }
        }

        if (options.MaxItems is < 1 or > SequenceEntry.MaxItems)
        {
            failures.Add($"Journal:MaxItems is {options.MaxItems}; it must be in [1, {SequenceEntry.MaxItems}].");
        }

        if (options.CommitQueue is < 1 or > MaxCommitQueue)
        {
            failures.Add($"Journal:CommitQueue is {options.CommitQueue}; it must be in [1, {MaxCommitQueue}].");
        }

        if (options.JoinSegments is < 0 or > MaxJoinSegments)
        {
            failures.Add($"Journal:JoinSegments is {options.JoinSegments}; it must be in [0, {MaxJoinSegments}].");
        }

        if (!Enum.IsDefined(options.Synchronous))
        {
            failures.Add($"Journal:Synchronous is {options.Synchronous}; it must be Full or Normal.");
        }

        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }
}
