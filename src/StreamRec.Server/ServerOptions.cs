using Microsoft.Extensions.Options;

namespace StreamRec.Server;

/// <summary>Settings of the process itself.</summary>
public sealed record ServerOptions
{
    public const string SectionName = "Server";

    /// <summary>Where the journal, the checkpoints and the address of the running server are kept.</summary>
    public string DataDirectory { get; init; } = "data";

    /// <summary>Loopback port of the HTTP interface, 0 to 65535; 0 takes a free one.</summary>
    public int HttpPort { get; init; } = 8088;

    /// <summary>Threads of one matrix operation, 1 to 256: inference and training each run on threads of their own, so 1 is right unless cores are idle.</summary>
    public int NativeThreads { get; init; } = 1;

    /// <summary>Newest stored interactions that a start counts for popularity and transitions, 1 to 1,000,000,000: a million takes about two seconds.</summary>
    public int CountedAtStart { get; init; } = 1_000_000;

    /// <summary>Users whose last list is remembered to judge it by their next interaction, 1 to 100,000,000.</summary>
    public int PrequentialUsers { get; init; } = 100_000;

    /// <summary>Interactions that the prequential figures look back on, 100 to 1,000,000.</summary>
    public int PrequentialWindow { get; init; } = 5_000;
}

internal sealed class ServerOptionsValidator : IValidateOptions<ServerOptions>
{
    public ValidateOptionsResult Validate(string? name, ServerOptions options)
    {
        var failures = new List<string>();
        Check(nameof(options.HttpPort), options.HttpPort, 0, 65535);
        Check(nameof(options.NativeThreads), options.NativeThreads, 1, 256);
        Check(nameof(options.CountedAtStart), options.CountedAtStart, 1, 1_000_000_000);
        Check(nameof(options.PrequentialUsers), options.PrequentialUsers, 1, 100_000_000);
        Check(nameof(options.PrequentialWindow), options.PrequentialWindow, 100, 1_000_000);
        if (string.IsNullOrWhiteSpace(options.DataDirectory))
        {
            failures.Add($"{ServerOptions.SectionName}:{nameof(options.DataDirectory)} is empty; it must name a directory.");
        }

        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);

        void Check(string key, int value, int low, int high)
        {
            if (value < low || value > high)
            {
                failures.Add($"{ServerOptions.SectionName}:{key} is {value}; it must be in [{low}, {high}].");
            }
        }
    }
}
