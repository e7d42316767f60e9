using StreamRec.Models.Decoding;
using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>A BART model that writes a text for each of its inputs.</summary>
internal sealed class BartNextTokens : INextTokens
{
    private readonly Bart _bart;
    private readonly BartCache _cache;
    private int _inputs;
    private int _rows;

    /// <summary>Reads the inputs; arguments as for <see cref="Bart.Encode"/>.</summary>
    /// <param name="bart">Stays the caller's.</param>
    /// <param name="ids">int64 [B, S].</param>
    /// <param name="padding">bool [B, S], or null.</param>
    /// <param name="added">float [B, S, d] or what broadcasts to it, or null.</param>
    /// <exception cref="ArgumentException">The model is training: its dropout would make every text another.</exception>
    public BartNextTokens(Bart bart, Tensor ids, Tensor? padding, Tensor? added = null)
    {
        if (bart.Training)
        {
            throw new ArgumentException("The model is in training mode, with dropout; call Eval() before it writes.", nameof(bart));
        }

        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        _bart = bart;
        _inputs = _rows = (int)ids.Size(0);
        _cache = bart.Remember(bart.Encode(ids, padding, added), padding);
        Prompts = [.. Enumerable.Repeat<int[]>([bart.Config.DecoderStart], _rows)];
    }

    /// <inheritdoc/>
    public int Vocabulary => _bart.Config.Vocabulary;

    /// <inheritdoc/>
    public IReadOnlyList<int[]> Prompts { get; }

    /// <inheritdoc/>
    public Tensor Start() => Read([.. Prompts.Select(prompt => prompt[0])]);

    /// <inheritdoc/>
    public Tensor Step(ReadOnlySpan<int> rows, ReadOnlySpan<int> tokens)
    {
        // Greedy decoding, and beams that go on as they stood, move nothing.
        if (!rows.SequenceEqual(Enumerable.Range(0, _rows).ToArray()))
        {
            using var scope = TensorScope.Enter();
            _cache.Reorder(Longs(rows).To(_bart.Device));
            KeepInputs(rows);
        }

        return Read(tokens);
    }

    public void Dispose() => _cache.Dispose();

    private Tensor Read(ReadOnlySpan<int> tokens)
    {
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        _rows = tokens.Length;
        var hidden = _bart.Decode(Longs(tokens).View(-1, 1).To(_bart.Device), _cache);              // [rows, 1, d]
        return scope.Keep(_bart.Logits(hidden.Select(1, 0)).LogSoftmax(-1));
    }

    private void KeepInputs(ReadOnlySpan<int> rows)
    {
        var (width, inputs) = (_rows / _inputs, new List<int>());
        foreach (var row in rows)
        {
            if (inputs.Count == 0 || inputs[^1] != row / width)
            {
                inputs.Add(row / width);
            }
        }

        if (inputs.Count < _inputs)
        {
            _cache.KeepInputs(Longs([.. inputs]).To(_bart.Device));
            _inputs = inputs.Count;
        }
    }

    private static Tensor Longs(ReadOnlySpan<int> numbers)
    {
        var longs = new long[numbers.Length];
        for (var i = 0; i < numbers.Length; i++)
        {
            longs[i] = numbers[i];
        }

        return Tensor.From(longs);
    }
}
