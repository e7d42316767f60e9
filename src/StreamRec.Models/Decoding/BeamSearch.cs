using StreamRec.Torch;

namespace StreamRec.Models.Decoding;

/// <summary>A text that was found.</summary>
/// <param name="Tokens">Without the prompt; the end token last where the text came to its end.</param>
/// <param name="Score">Sum of log-probabilities, end included, divided by length^LengthPenalty.</param>
/// <param name="Items">With a trie the items that the text stands for, at least one; else empty.</param>
internal sealed record FoundText(int[] Tokens, double Score, IReadOnlyList<int> Items);

/// <summary>Finds likely texts by following the best few beginnings of each input at once, a token at a time.</summary>
/// <remarks>
/// Of all continuations of an input's beams the best 2 · beams are looked at: one that ends is a text if it is among the first
/// <c>beams</c>, the others are the next beams. An input is done when it has <c>beams</c> texts and its best continuation could not beat
/// the worst of them at its present length (or at once, with early stopping). At the greatest length the beams become texts as they are;
/// with a trie they do not, for they are no items. Probabilities are those of the whole vocabulary, also where a trie leaves few tokens.
/// Per step a row's sum goes in and 2 · beams candidates come out; with a trie, the scores of the allowed tokens only.
/// </remarks>
internal sealed partial class BeamSearch
{
    private readonly INextTokens _model;
    private readonly BeamOptions _options;
    private readonly TokenTrie? _trie;
    private readonly Search[] _searches;

    // Those that are not done, in the order of the model's rows.
    private List<Search> _active;

    private BeamSearch(INextTokens model, BeamOptions options, TokenTrie? trie, IReadOnlyList<IEnumerable<int>>? excluded)
    {
        (_model, _options, _trie) = (model, trie is null ? options : options with { End = trie.End }, trie);
        _searches = new Search[model.Prompts.Count];
        for (var i = 0; i < _searches.Length; i++)
        {
            _searches[i] = new Search(_options, model.Prompts[i], trie is null || excluded is null ? [] : trie.Exclude(excluded[i]));
        }

        _active = [.. _searches];
    }

    /// <summary>The best texts of every input, best first; fewer than asked for only where a trie has no more.</summary>
    /// <param name="model">Not started yet; its prompts are the inputs. Stays the caller's.</param>
    /// <param name="options">How to search.</param>
    /// <param name="trie">What may be written; null = anything.</param>
    /// <param name="excluded">For each input items of the trie that are to be left out; null = none.</param>
    /// <exception cref="ArgumentException">An option is out of range, or <paramref name="excluded"/> has another length than the inputs.</exception>
    public static IReadOnlyList<FoundText>[] Run(
        INextTokens model, BeamOptions options, TokenTrie? trie = null, IReadOnlyList<IEnumerable<int>>? excluded = null)
    {
        options.Check(model.Vocabulary, trie);
        if (excluded is not null && (trie is null || excluded.Count != model.Prompts.Count))
        {
            throw new ArgumentException(
                $"{excluded.Count} sets of items are excluded for {model.Prompts.Count} inputs; with a trie there must be one for each, without one none.",
                nameof(excluded));
        }

        using var noGrad = NoGrad.Enter();
        return new BeamSearch(model, options, trie, excluded).Run();
    }

    private IReadOnlyList<FoundText>[] Run()
    {
        var (rows, tokens, width) = (Array.Empty<int>(), Array.Empty<int>(), 1);
        for (var length = 1; length <= _options.MaxTokens && _active.Count > 0; length++)
        {
            using var scope = TensorScope.Enter();
            var forced = length == _options.MaxTokens && _options.ForcedLast is not null ? _options.ForcedLast
                : length == 1 ? _options.ForcedFirst : null;
            // The last token, when it is given, needs no probabilities; an earlier one has to be read all the same.
            var scores = length == 1 ? _model.Start()
                : forced is null || length < _options.MaxTokens ? _model.Step(rows, tokens) : null;
            if (forced is { } token)
            {
                foreach (var search in _active)
                {
                    search.Advance(search.Beams.Select((beam, i) => new Candidate(i, token, beam.Sum, TokenTrie.Root)), length);
                }
            }
            else if (_trie is null)
            {
                AdvanceFreely(scores!, width, length);
            }
            else
            {
                AdvanceInTrie(scores!, width, length);
            }

            (rows, tokens, width) = NextRows(width);
        }

        return [.. _searches.Select(search => search.Finish(_trie))];
    }

    // Every input that goes on has as many rows as the one with the most beams; rows that nobody needs repeat the input's first one.
    private (int[] Rows, int[] Tokens, int Width) NextRows(int before)
    {
        var goingOn = _active.Index().Where(pair => !pair.Item.Done).ToArray();
        var width = goingOn.Select(pair => pair.Item.Beams.Count).DefaultIfEmpty(0).Max();
        var (rows, tokens) = (new int[goingOn.Length * width], new int[goingOn.Length * width]);
        for (var i = 0; i < rows.Length; i++)
        {
            var (place, beam) = Math.DivRem(i, width);
            var (input, search) = goingOn[place];
            var beams = search.Beams;
            (rows[i], tokens[i]) = beam < beams.Count ? ((input * before) + beams[beam].Row, beams[beam].Tokens[^1]) : (input * before, 0);
        }

        _active = [.. goingOn.Select(pair => pair.Item)];
        return (rows, tokens, width);
    }

    private void AdvanceFreely(Tensor scores, int width, int length)
    {
        Forbid(scores, width);
        scores = _options.Renormalize ? scores.LogSoftmax(-1) : scores;
        var sums = new float[_active.Count * width];
        Array.Fill(sums, float.NegativeInfinity);
        foreach (var (input, search) in _active.Index())
        {
            for (var i = 0; i < search.Beams.Count; i++)
            {
                sums[input * width + i] = search.Beams[i].Sum;
            }
        }

        var total = scores + Tensor.From(sums, sums.Length, 1).To(scores.Device);                  // [inputs · width, V]
        var count = Math.Min(2 * _options.Beams, width * _model.Vocabulary);
        var (best, places) = total.View(_active.Count, -1).TopK(count, 1);                       // [inputs, count]
        var (values, indices) = (best.To(ScalarType.Float32).ToArray<float>(), places.ToArray<long>());
        foreach (var (input, search) in _active.Index())
        {
            search.Advance(
                from i in Enumerable.Range(input * count, count)
                where !float.IsNegativeInfinity(values[i])
                let place = Math.DivRem(indices[i], _model.Vocabulary)
                select new Candidate((int)place.Quotient, (int)place.Remainder, values[i], TokenTrie.Root),
                length);
        }
    }

    // Takes away the tokens that would complete a sequence which the row has already.
    private void Forbid(Tensor scores, int width)
    {
        if (_options.NoRepeatNgram == 0)
        {
            return;
        }

        var places = new List<long>();
        foreach (var (input, search) in _active.Index())
        {
            for (var i = 0; i < search.Beams.Count; i++)
            {
                var row = (long)(input * width + i) * _model.Vocabulary;
                int[] text = [.. search.Prompt, .. search.Beams[i].Tokens];
                var known = _options.NoRepeatNgram - 1;
                for (var start = 0; start + known < text.Length; start++)
                {
                    if (text.AsSpan(start, known).SequenceEqual(text.AsSpan(text.Length - known)))
                    {
                        places.Add(row + text[start + known]);
                    }
                }
            }
        }

        if (places.Count > 0)
        {
            scores.View(-1).IndexFill_(0, Tensor.From(places.ToArray()).To(scores.Device), double.NegativeInfinity);
        }
    }

    private void AdvanceInTrie(Tensor scores, int width, int length)
    {
        // Children of all beams of all inputs in a row; where each beam's begin.
        var (children, places, starts) = (new List<int>(), new List<long>(), new List<int> { 0 });
        foreach (var (input, search) in _active.Index())
        {
            for (var i = 0; i < search.Beams.Count; i++)
            {
                var row = (long)(input * width + i) * _model.Vocabulary;
                _trie!.AddChildren(search.Beams[i].Node, search.Excluded, children);
                for (var c = starts[^1]; c < children.Count; c++)
                {
                    places.Add(row + _trie.TokenOf(children[c]));
                }

                starts.Add(children.Count);
            }
        }

        var allowed = places.Count == 0
            ? []
            : scores.View(-1).IndexSelect(0, Tensor.From(places.ToArray()).To(scores.Device)).To(ScalarType.Float32).ToArray<float>();
        var first = 0;
        foreach (var search in _active)
        {
            var beams = search.Beams.Count;
            var (begin, end) = (starts[first], starts[first + beams]);
            var beamOf = new int[end - begin];
            for (var i = 0; i < beams; i++)
            {
                var (from, to) = (starts[first + i], starts[first + i + 1]);
                beamOf.AsSpan(from - begin, to - from).Fill(i);
                AddSum(allowed.AsSpan(from, to - from), search.Beams[i].Sum);
            }

            var best = TopK.Select(allowed.AsSpan(begin, end - begin), Math.Min(2 * _options.Beams, end - begin));
            search.Advance(
                best.Select(i => new Candidate(beamOf[i], _trie!.TokenOf(children[begin + i]), allowed[begin + i], children[begin + i])), length);
            first += beams;
        }
    }

    private void AddSum(Span<float> scores, float sum)
    {
        var shift = sum;
        if (_options.Renormalize && !scores.IsEmpty)
        {
            var (max, total) = (float.NegativeInfinity, 0.0);
            foreach (var score in scores)
            {
                max = Math.Max(max, score);
            }

            foreach (var score in scores)
            {
                total += Math.Exp(score - max);
            }

            shift -= max + (float)Math.Log(total);
        }

        foreach (ref var score in scores)
        {
            score += shift;
        }
    }
}
