using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Training;

/// <summary>Where a fit stands.</summary>
internal sealed record FitState
{
    /// <summary>Index of the running stage.</summary>
    public int Stage { get; init; }

    /// <summary>Passes done in the stage.</summary>
    public int Epoch { get; init; }

    /// <summary>Steps done in the running pass.</summary>
    public int Steps { get; init; }

    /// <summary>Sum of the running pass's losses.</summary>
    public double LossSum { get; init; }

    /// <summary>Items learnt from in the running pass.</summary>
    public long Tokens { get; init; }

    /// <summary>Those of them that an earlier process learnt from.</summary>
    public long TokensBefore { get; init; }

    /// <summary>The stage's best validation NDCG@10; -1 = none yet.</summary>
    public double Best { get; init; } = -1;

    /// <summary>The pass with it, from 1.</summary>
    public int BestEpoch { get; init; }

    /// <summary>Passes since the best one.</summary>
    public int Since { get; init; }

    /// <summary>Directory of the model's newest state, or null.</summary>
    public string? Model { get; init; }

    /// <summary>Directory of the model's state at the stage's best pass, or null.</summary>
    public string? BestModel { get; init; }
}

/// <summary>The state directory of a fit.</summary>
/// <remarks>
/// Layout: <c>fit.json</c> names the directories of the model's newest and best states. A state is written and flushed into a directory of
/// its own, then <c>fit.json</c> is replaced by a rename: a crash leaves the old state or the new one, and states that nothing names are deleted.
/// </remarks>
internal sealed class FitStates(string directory, string fingerprint)
{
    private const string FileName = "fit.json";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public string PathOf(string model) => Path.Combine(directory, model);

    /// <summary>Brings a freshly made model to where an earlier run of the same fit was; a fresh start where there is none.</summary>
    /// <param name="model">The model.</param>
    /// <param name="told">Told what was found, or null.</param>
    /// <exception cref="InvalidDataException">The state belongs to this fit and is damaged; the message says how to start afresh.</exception>
    public FitState Resume(ITrainableModel model, Action<string>? told)
    {
        Directory.CreateDirectory(directory);
        var path = Path.Combine(directory, FileName);
        if (!File.Exists(path))
        {
            return new FitState();
        }

        var (saved, state) = Read(path);
        if (saved != fingerprint || state.Model is null)
        {
            told?.Invoke("Starting afresh: the interrupted run in the state directory had another recipe, seed or data.");
            return new FitState();
        }

        try
        {
            model.LoadState(PathOf(state.Model));
        }
        catch (InvalidDataException damaged)
        {
            throw Damaged(damaged);
        }

        told?.Invoke($"Going on with {model.Stages[state.Stage].Name} after {state.Epoch} passes and {state.Steps} steps.");
        return state;
    }

    /// <summary>Writes the model's state durably and returns the fit's with its name.</summary>
    public FitState Save(ITrainableModel model, FitState state, bool best)
    {
        var name = $"{state.Stage}-{state.Epoch}-{state.Steps}";
        if (Directory.Exists(PathOf(name)))
        {
            // Left by a run that was killed, or that was started afresh: nothing counts on it.
            Directory.Delete(PathOf(name), recursive: true);
        }

        Directory.CreateDirectory(PathOf(name));
        model.SaveState(PathOf(name));
        foreach (var file in Directory.EnumerateFiles(PathOf(name)))
        {
            Durable.FlushFile(file);
        }

        Durable.FlushDirectory(PathOf(name));
        state = state with { Model = name, BestModel = best ? name : state.BestModel };
        var (path, temporary) = (Path.Combine(directory, FileName), Path.Combine(directory, FileName + ".tmp"));
        File.WriteAllText(temporary, JsonSerializer.Serialize(new Saved(fingerprint, state), Json));
        Durable.FlushFile(temporary);
        File.Move(temporary, path, overwrite: true);
        Durable.FlushDirectory(directory);
        foreach (var old in Directory.EnumerateDirectories(directory))
        {
            if (Path.GetFileName(old) != state.Model && Path.GetFileName(old) != state.BestModel)
            {
                Directory.Delete(old, recursive: true);
            }
        }

        return state;
    }

    /// <summary>SHA-256 of everything that the weights follow from.</summary>
    public static string Fingerprint(string family, JsonElement recipe, StageOverride over, int seed, LeaveOneOut split)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add($"{family}\n{(recipe.ValueKind == JsonValueKind.Undefined ? "" : JsonSerializer.Serialize(recipe))}\n{over}\n{seed}\n");
        foreach (var user in split.Train)
        {
            Add($"{user.UserId}\n{user.Items.Length}\n");
            hash.AppendData(MemoryMarshal.AsBytes<int>(user.Items));
            Add(string.Concat(user.Shown.Select(impression => $"{impression.Item} {impression.After}\n")));
        }

        foreach (var test in split.Test)
        {
            Add($"{test.UserId}\n{test.History.Length}\n{test.Target}\n");
            hash.AppendData(MemoryMarshal.AsBytes(test.History.Span));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Add(string text) => hash.AppendData(Encoding.UTF8.GetBytes(text));
    }

    private Saved Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<Saved>(File.ReadAllText(path), Json) ?? throw new JsonException("it is empty");
        }
        catch (JsonException damaged)
        {
            throw Damaged(damaged);
        }
    }

    private InvalidDataException Damaged(Exception cause) =>
        new($"The interrupted run in '{directory}' is damaged ({cause.Message}); delete the directory to start afresh (streamrec train: --restart).", cause);

    private sealed record Saved(string Fingerprint, FitState State);
}
