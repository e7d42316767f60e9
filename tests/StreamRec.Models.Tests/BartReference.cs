using System.Text.Json;
using StreamRec.Models.Decoding;
using StreamRec.Models.GenRecSeq2Seq;
using StreamRec.Torch;

namespace StreamRec.Models.Tests;

/// <summary>The fixture bart-tiny: its model, its inputs and its expected numbers.</summary>
internal sealed class BartReference : IDisposable
{
    private readonly SafeTensorsFile _expected;

    public BartReference()
    {
        Directory = Fixtures.Find("models/bart-tiny");
        _expected = SafeTensorsFile.Open(Path.Combine(Directory, "expected.safetensors"));
        Json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Directory, "expected.json"))).RootElement;
        Bart = BartFiles.Load(Directory);
    }

    public string Directory { get; }

    public JsonElement Json { get; }

    public Bart Bart { get; }

    public Tensor this[string name] => _expected.Read(name);

    /// <summary>bool, true where an attention mask of the fixture is 0.</summary>
    public Tensor Padding(string name) => this[name].Eq(0);

    /// <summary>The inputs of all generation scenarios.</summary>
    public BartNextTokens Writer()
    {
        using var scope = TensorScope.Enter();
        var inputs = Json.GetProperty("generation_inputs");
        return new BartNextTokens(Bart, Matrix(inputs.GetProperty("input_ids")), Matrix(inputs.GetProperty("attention_mask")).Eq(0));
    }

    /// <summary>The settings of a scenario.</summary>
    public static BeamOptions Options(JsonElement scenario)
    {
        var config = scenario.GetProperty("generation_config");
        return new BeamOptions
        {
            Beams = config.GetProperty("num_beams").GetInt32(),
            Returned = config.GetProperty("num_return_sequences").GetInt32(),
            MaxTokens = config.GetProperty("max_new_tokens").GetInt32(),
            End = Optional("eos_token_id"),
            LengthPenalty = config.GetProperty("length_penalty").GetDouble(),
            EarlyStopping = config.GetProperty("early_stopping").GetBoolean(),
            ForcedFirst = Optional("forced_bos_token_id"),
            ForcedLast = Optional("forced_eos_token_id"),
            NoRepeatNgram = config.GetProperty("no_repeat_ngram_size").GetInt32(),
            Renormalize = config.GetProperty("renormalize_logits").GetBoolean(),
        };

        int? Optional(string key) => config.GetProperty(key) is { ValueKind: JsonValueKind.Number } number ? number.GetInt32() : null;
    }

    public void Dispose()
    {
        _expected.Dispose();
        Bart.Dispose();
    }

    private static Tensor Matrix(JsonElement rows)
    {
        var values = rows.Deserialize<long[][]>()!;
        return Tensor.From([.. values.SelectMany(row => row)], values.Length, values[0].Length);
    }
}
