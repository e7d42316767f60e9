using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Training.Experiments;

/// <summary>What is fitted and what is tested. Both test on each user's last item; their figures never stand in one row.</summary>
public enum Protocol
{
    /// <summary>Fitted on all but the last two items, chosen on the second-last.</summary>
    Strict,

    /// <summary>Fitted on all but the last item, with what the strict run of the same recipe and seed has chosen.</summary>
    Online,
}

/// <summary>One training with its test: whatever has the same key comes to the same result.</summary>
/// <param name="Data">The data.</param>
/// <param name="Family">The recipe's family.</param>
/// <param name="RecipeName">As people see it.</param>
/// <param name="Recipe">The recipe.</param>
/// <param name="Protocol">What is fitted.</param>
/// <param name="Seed">Everything random follows from it.</param>
public sealed record Experiment(
    ExperimentData Data, IModelFamily Family, string RecipeName, JsonElement Recipe, Protocol Protocol, int Seed)
{
    /// <summary>SHA-256 of family and recipe; comments and white space of its file do not count.</summary>
    public string RecipeHash { get; } = Sha256($"{Family.Name}\n{(Recipe.ValueKind == JsonValueKind.Undefined ? "" : JsonSerializer.Serialize(Recipe))}");

    /// <summary>Name of its files: for people, with the beginning of a hash of everything that the result follows from.</summary>
    public string Key => $"{Data.Name}-{RecipeName}-{Protocol.ToString().ToLowerInvariant()}-{Seed}-" +
        Sha256($"{Data.Hash}\n{RecipeHash}\n{Protocol}\n{Seed}")[..12];

    /// <summary>The strict experiment that an online one takes its choices from.</summary>
    public Experiment Strict => this with { Protocol = Protocol.Strict };

    private static string Sha256(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
