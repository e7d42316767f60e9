using Microsoft.Extensions.Options;

namespace StreamRec.Server.Tests;

/// <summary>Tests that set environment variables or depend on there being none: one at a time.</summary>
[CollectionDefinition(nameof(Settings), DisableParallelization = true)]
public sealed class Settings
{
    internal static StreamRecOptions Load(params (string Key, string? Value)[] overrides) => Load(null, overrides);

    internal static StreamRecOptions Load(string? file, params (string Key, string? Value)[] overrides) =>
        StreamRecOptions.Load(file, overrides.Select(o => KeyValuePair.Create(o.Key, o.Value)));

    internal static IReadOnlyList<string> Faults(string? file, params (string Key, string? Value)[] overrides) =>
        [.. Assert.Throws<OptionsValidationException>(() => Load(file, overrides)).Failures];

    internal static IReadOnlyList<string> Faults(params (string Key, string? Value)[] overrides) => Faults(null, overrides);
}
