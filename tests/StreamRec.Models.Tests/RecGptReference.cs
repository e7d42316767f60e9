using System.Text.Json;
using StreamRec.Models.RecGpt;
using StreamRec.Torch;

namespace StreamRec.Models.Tests;

/// <summary>A reference fixture: its weights in our network with the authors' oddities on, its inputs and its expected numbers.</summary>
internal sealed class RecGptReference : IDisposable
{
    private readonly SafeTensorsFile _expected;

    private RecGptReference(string directory, RecGptConfig config)
    {
        Config = config;
        _expected = SafeTensorsFile.Open(Path.Combine(directory, "expected.safetensors"));
        Json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, "expected.json"))).RootElement;
        // Row 121 is the reference's unused mask row: one more item to us.
        Ensemble = new RecGptEnsemble(config, itemRows: 122, userRows: 11);
        using var weights = SafeTensorsFile.Open(Path.Combine(directory, "model.safetensors"));
        using var noGrad = NoGrad.Enter();
        foreach (var (name, parameter) in Network.NamedParameters())
        {
            parameter.CopyFrom_(weights.Read(ReferenceName(name)));
        }

        Network.Train(false);
    }

    public RecGptConfig Config { get; }

    public RecGptEnsemble Ensemble { get; }

    public RecGptNetwork Network => Ensemble.Members[0];

    public JsonElement Json { get; }

    public Tensor UserRows => this["in.user_index"] + 1;

    public Tensor this[string name] => _expected.Read(name);

    public bool Has(string name) => _expected.Names.Contains(name);

    /// <param name="attention"><c>softmax</c> or <c>flow</c>.</param>
    /// <param name="change">What is to be otherwise than in the authors' code.</param>
    public static RecGptReference Open(string attention, Func<RecGptConfig, RecGptConfig>? change = null)
    {
        var config = new RecGptConfig
        {
            Hidden = 32,
            Layers = 2,
            Heads = 2,
            FeedForward = 48,
            MaxLength = 12,
            Dropout = 0,
            Attention = attention == "flow" ? RecGptAttentionKind.CausalFlow : RecGptAttentionKind.Softmax,
            TiedHead = false,
            Legacy = new RecGptLegacy { PaddedWindows = true, LeakyPrompts = true, ZeroSuppression = true },
        };
        return new RecGptReference(Fixtures.Find($"models/recgpt-{attention}-tiny"), change is null ? config : change(config));
    }

    /// <summary>Our own windows and suppression.</summary>
    public static RecGptReference OpenClean(string attention) => Open(attention, config => config with { Legacy = new RecGptLegacy() });

    public static string ReferenceName(string parameter) =>
        parameter.StartsWith("output_layer", StringComparison.Ordinal) ? parameter : $"decoder.{parameter}";

    /// <summary>The rows of an int64 [B, L] tensor.</summary>
    public static int[][] Rows(Tensor tensor)
    {
        using var scope = TensorScope.Enter();
        return [.. tensor.ToArray<long>().Select(value => (int)value).Chunk((int)tensor.Size(1))];
    }

    /// <summary>The fixture's inputs as training windows, padding included.</summary>
    public TrainingWindow[] Windows(string items = "in.input_ids", string? targets = "in.target_pos", string users = "in.user_index")
    {
        using var scope = TensorScope.Enter();
        var userRows = this[users].ToArray<long>();
        var itemRows = Rows(this[items]);
        var targetRows = targets is null ? [.. itemRows.Select(row => new int[row.Length])] : Rows(this[targets]);
        return [.. itemRows.Select((row, i) => new TrainingWindow((int)userRows[i] + 1, row, targetRows[i]))];
    }

    public void Dispose()
    {
        _expected.Dispose();
        Ensemble.Dispose();
    }
}
