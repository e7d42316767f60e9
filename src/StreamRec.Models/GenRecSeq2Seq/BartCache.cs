using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>What the decoder keeps between steps: keys and values of the encoded inputs, and of the tokens that it has read so far.</summary>
/// <remarks>
/// Those of the inputs exist once an input, however many rows (beams) decode it: rows of one input stand together and attend in one
/// product. Ownership: the cache frees what it holds, outside all scopes; a recorded history stays intact without it. One thread.
/// </remarks>
internal sealed class BartCache : IDisposable
{
    private readonly (Tensor Keys, Tensor Values)[] _inputs;
    private readonly (Tensor Keys, Tensor Values)?[] _tokens;

    /// <param name="inputs">
    /// For each decoder layer keys and values of the encoder's states, float [B, heads, S, d/heads], or [N, d] without padding; taken over.
    /// </param>
    /// <param name="padding">bool [B, 1, 1, S], true where an input has ended; null when none is shorter; taken over.</param>
    /// <param name="offsets">int64 [B + 1]: where each input begins among the N tokens; null when they are padded; taken over.</param>
    public BartCache(IEnumerable<(Tensor Keys, Tensor Values)> inputs, Tensor? padding, Tensor? offsets)
    {
        _inputs = [.. inputs.Select(pair => (TensorScope.Detach(pair.Keys), TensorScope.Detach(pair.Values)))];
        _tokens = new (Tensor, Tensor)?[_inputs.Length];
        Padding = padding is null ? null : TensorScope.Detach(padding);
        Offsets = offsets is null ? null : TensorScope.Detach(offsets);
    }

    /// <summary>Tokens that every row has read.</summary>
    public int Length { get; private set; }

    /// <summary>bool [B, 1, 1, S], or null.</summary>
    public Tensor? Padding { get; private set; }

    /// <summary>int64 [B + 1]; null when the inputs are padded.</summary>
    public Tensor? Offsets { get; private set; }

    /// <summary>Keys and values of the inputs for a layer.</summary>
    public (Tensor Keys, Tensor Values) Inputs(int layer) => _inputs[layer];

    /// <summary>Adds the new tokens' keys and values, float [R, heads, T, d/heads], which are taken over, and returns those of all tokens.</summary>
    public (Tensor Keys, Tensor Values) Append(int layer, (Tensor Keys, Tensor Values) added)
    {
        var all = added;
        if (_tokens[layer] is { } before)
        {
            all = (Tensor.Cat([before.Keys, added.Keys], 2), Tensor.Cat([before.Values, added.Values], 2));
            Free(before);
        }

        all = (TensorScope.Detach(all.Keys), TensorScope.Detach(all.Values));
        _tokens[layer] = all;
        return all;
    }

    /// <summary>Says that all layers have appended this many tokens.</summary>
    public void Advance(long tokens) => Length += (int)tokens;

    /// <summary>Row i goes on from what row <c>rows[i]</c> has read; the number of rows may change.</summary>
    /// <param name="rows">int64 [R'], grouped by input as before.</param>
    public void Reorder(Tensor rows)
    {
        for (var layer = 0; layer < _tokens.Length; layer++)
        {
            if (_tokens[layer] is { } before)
            {
                _tokens[layer] = Select(before, rows);
            }
        }
    }

    /// <summary>Forgets all inputs but these.</summary>
    /// <param name="inputs">int64 [B'].</param>
    public void KeepInputs(Tensor inputs)
    {
        var rows = Offsets is null ? inputs : KeepOffsets(Offsets, inputs.ToArray<long>());
        for (var layer = 0; layer < _inputs.Length; layer++)
        {
            _inputs[layer] = Select(_inputs[layer], rows);
        }

        if (Padding is { } before)
        {
            Padding = TensorScope.Detach(before.IndexSelect(0, inputs));
            before.Dispose();
        }
    }

    public void Dispose()
    {
        foreach (var pair in _inputs)
        {
            Free(pair);
        }

        foreach (var pair in _tokens)
        {
            if (pair is { } held)
            {
                Free(held);
            }
        }

        Padding?.Dispose();
        Offsets?.Dispose();
    }

    // Int64 [N']: the tokens of these inputs.
    private Tensor KeepOffsets(Tensor before, long[] inputs)
    {
        var (begins, tokens, offsets) = (before.ToArray<long>(), new List<long>(), new List<long> { 0 });
        foreach (var input in inputs)
        {
            for (var token = begins[input]; token < begins[input + 1]; token++)
            {
                tokens.Add(token);
            }

            offsets.Add(tokens.Count);
        }

        Offsets = TensorScope.Detach(Tensor.From([.. offsets]));
        before.Dispose();
        return Tensor.From([.. tokens]);
    }

    private static (Tensor Keys, Tensor Values) Select((Tensor Keys, Tensor Values) before, Tensor rows)
    {
        var selected = (TensorScope.Detach(before.Keys.IndexSelect(0, rows)), TensorScope.Detach(before.Values.IndexSelect(0, rows)));
        Free(before);
        return selected;
    }

    private static void Free((Tensor Keys, Tensor Values) pair)
    {
        pair.Keys.Dispose();
        pair.Values.Dispose();
    }
}
