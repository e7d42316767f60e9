using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Models.Decoding;
using StreamRec.Models.RecGpt;
using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>A GenRec model that answers: it writes the word after a user's text, and can only write words of available items.</summary>
/// <remarks>
/// A score is the log-probability of the item's word, plus weight × evidence where the model stands on counts, so scores of one model compare
/// between users. The beams are as many as the recipe says, or as the list is long.
/// Threading: the forward passes keep no state, so several threads may ask at once.
/// </remarks>
internal class GenRecModel : IModel, ITextModel
{
    // Log-probabilities of rows × tokens that are held at once: 64 MB.
    private const int MaxScores = 1 << 24;

    private readonly GenRecDecodingOptions _decoding;
    private readonly ItemRows _rows;
    private readonly IEvidence _evidence;
    private readonly TimeProvider _time;
    private readonly GenRecTrie _trie;

    public GenRecModel(
        ModelVersion version, GenRecRecipe recipe, GenRecWords words, Vocabulary items, Vocabulary users, GenRecNetwork network, ModelContext context, TimeProvider time)
    {
        Version = version;
        EvidenceWeight = (float)(recipe.Evidence.Weight ?? 0);
        (Words, Items, Users, Network, _time, _decoding) = (words, items, users, network, time, recipe.Decoding);
        Texts = new GenRecTexts(words, recipe.Model.MaxItems, network.Bart.Config.MaxPositions);
        _rows = new ItemRows(items, context.Catalogue);
        _evidence = context.Evidence;
        _trie = new GenRecTrie(words);
    }

    /// <inheritdoc/>
    public ModelVersion Version { get; }

    /// <summary>Factor of the evidence beside log-probabilities.</summary>
    public float EvidenceWeight { get; protected set; }

    /// <summary>Tokens.</summary>
    internal GenRecWords Words { get; }

    /// <summary>The weights.</summary>
    internal GenRecNetwork Network { get; }

    protected GenRecTexts Texts { get; }

    protected Vocabulary Items { get; }

    protected Vocabulary Users { get; }

    /// <inheritdoc/>
    public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries) => Recommend(queries, default);

    /// <inheritdoc/>
    public IReadOnlyList<RankedItem>[] Recommend(IReadOnlyList<ModelQuery> queries, AnswerBudget budget)
    {
        var started = _time.GetTimestamp();
        var view = _rows.Current;
        _trie.Follow(view);
        var lists = new IReadOnlyList<RankedItem>[queries.Count];
        Array.Fill(lists, []);
        var (asked, tokens) = (new List<Asked>(queries.Count), 0L);
        foreach (var (i, query) in queries.Index())
        {
            if (TextOf(query, view) is not { } text)
            {
                continue;
            }

            lists[i] = AnswerBudget.Exceeded;
            if (tokens + text.Tokens.Length <= (budget.Tokens ?? long.MaxValue))
            {
                tokens += text.Tokens.Length;
                asked.Add(new Asked(i, text, BeamsFor(query.K), query.Masked.ToArray().Select(view.RowOf)));
            }
        }

        try
        {
            Search(asked, _trie.Items, () => _time.GetElapsedTime(started) < (budget.Time ?? TimeSpan.MaxValue), (i, found) =>
                lists[i] = Ranked(found, queries[i], view));
        }
        catch (TorchException exception)
        {
            throw new ModelFailedException($"{Version}: {exception.Message}", exception);
        }

        return lists;
    }

    /// <inheritdoc/>
    public IReadOnlyList<TextToken> Read(ModelQuery query)
    {
        if (TextOf(query, _rows.Current) is not { } text)
        {
            return [];
        }

        return [.. text.Tokens.Select((token, i) => new TextToken(
            token, Words.Decode([token]),
            text.Users[i] != 0 ? Users.Ids[text.Users[i] - 1] : null,
            text.Items[i] != 0 ? Items.Ids[text.Items[i] - 1] : null))];
    }

    public virtual void Dispose()
    {
        Network.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Ranks rows for windows of item ids, every item of the vocabulary available: golden inputs.</summary>
    /// <remarks>Without evidence: counts are a state of the stream, not of the checkpoint.</remarks>
    internal void Rank(IReadOnlyList<(string UserId, IReadOnlyList<string> Window)> inputs, Action<int, int[], float[]> ranked)
    {
        var asked = new List<Asked>(inputs.Count);
        foreach (var (i, (userId, window)) in inputs.Index())
        {
            int[] rows = [.. window.Select(Items.RowOf).Where(row => row != 0)];
            if (rows.Length > 0)
            {
                asked.Add(new Asked(i, TextOf(userId, rows), BeamsFor(GoldenInputs.K), rows));
            }
        }

        Search(asked, new TokenTrie(Words.AllWritten, Words.End), () => true, (i, found) =>
        {
            var scores = new float[Items.Rows];
            Array.Fill(scores, float.NaN);
            foreach (var item in found)
            {
                scores[item.Row] = item.Score;
            }

            ranked(i, [.. found.Take(GoldenInputs.K).Select(item => item.Row)], scores);
        });
    }

    /// <summary>
    /// NDCG@10 for each weight of the evidence in <see cref="RecGptEvidence.Weights"/>: the beams are searched once. Cases whose history or
    /// target the model does not know are left out; what was had is masked, as in serving.
    /// </summary>
    protected double[] NdcgByEvidence(IReadOnlyList<TestCase> cases)
    {
        const int K = 10;
        const int Chunk = 256;
        var view = _rows.Current;
        _trie.Follow(view);
        var gains = new double[RecGptEvidence.Weights.Count];
        var judged = 0;
        foreach (var chunk in cases.Chunk(Chunk))
        {
            ModelQuery[] queries = [.. chunk.Select(c => new ModelQuery(c.UserId, c.History, c.History, K))];
            var asked = queries.Index()
                .Where(query => view.RowOf(chunk[query.Index].Target) != 0)
                .Select(query => (query.Index, query.Item, Text: TextOf(query.Item, view)))
                .Where(query => query.Text is not null)
                .Select(query => new Asked(query.Index, query.Text!.Value, BeamsFor(K), query.Item.Masked.ToArray().Select(view.RowOf)));
            Search([.. asked], _trie.Items, () => true, (i, found) =>
            {
                judged++;
                var candidates = Candidates(found, queries[i], view);
                var place = candidates.FindIndex(item => view.Numbers[item.Row] == chunk[i].Target);
                for (var w = 0; w < gains.Length && place >= 0; w++)
                {
                    var (weight, bar) = (RecGptEvidence.Weights[w], candidates[place].With(RecGptEvidence.Weights[w]));
                    var above = candidates.Where((item, p) => item.With(weight) > bar || (item.With(weight) == bar && p < place)).Count();
                    gains[w] += above < K ? 1 / Math.Log2(above + 2) : 0;
                }
            });
        }

        return [.. gains.Select(gain => gain / Math.Max(1, judged))];
    }

    /// <summary>Searches in parts of texts of like length.</summary>
    /// <param name="asked">Texts; may be none.</param>
    /// <param name="trie">What may be written.</param>
    /// <param name="goesOn">Asked before each part; at the first no, the rest is left out.</param>
    /// <param name="found">Told a text's index and the items that the beams came to, the most likely first.</param>
    private void Search(IReadOnlyList<Asked> asked, TokenTrie trie, Func<bool> goesOn, Action<int, List<FoundItem>> found)
    {
        foreach (var same in asked.GroupBy(text => text.Beams))
        {
            Asked[] texts = [.. same.OrderBy(text => text.Text.Tokens.Length)];
            var most = Math.Max(1, MaxScores / (same.Key * Network.Bart.Config.Vocabulary));
            foreach (var range in GenRecBatch.Parts([.. texts.Select(text => text.Text.Tokens.Length)], _decoding.PartTokens, most))
            {
                if (!goesOn())
                {
                    return;
                }

                var part = texts[range];
                foreach (var (text, items) in part.Zip(Search(part, same.Key, trie)))
                {
                    found(text.Index, items);
                }
            }
        }
    }

    private List<FoundItem>[] Search(Asked[] part, int beams, TokenTrie trie)
    {
        using var scope = TensorScope.Enter();
        using var model = Network.Write(GenRecBatch.Of([.. part.Select(text => text.Text)], Words.Pad));
        var options = new BeamOptions { Beams = beams, Returned = beams, MaxTokens = Words.LongestWritten, LengthPenalty = 0 };
        var texts = BeamSearch.Run(model, options, trie, [.. part.Select(text => text.Masked.Where(row => row != 0).Select(row => row - 1))]);
        return [.. texts.Select(found => found.SelectMany(text => text.Items, ItemOf).ToList())];
    }

    private FoundItem ItemOf(FoundText text, int item) => double.IsNaN(text.Score)
        ? throw new ModelFailedException($"{Version}: a score is not a number.")
        : new FoundItem(item + 1, (float)text.Score);

    private IReadOnlyList<RankedItem> Ranked(List<FoundItem> found, ModelQuery query, ItemRows.View view)
    {
        if (EvidenceWeight != 0)
        {
            found = [.. Candidates(found, query, view).OrderByDescending(item => item.With(EvidenceWeight))];
        }

        // An item that the catalogue got after the view was made is in the next list.
        return [.. found.Where(item => view.Numbers[item.Row] >= 0).Take(query.K)
            .Select(item => new RankedItem(view.Numbers[item.Row], item.With(EvidenceWeight), GenRecFamily.FamilyName))];
    }

    // What the beams found, with its evidence, and what the evidence speaks most for. The beams did not come to the latter, so it is no more
    // likely than the last that they found, and has that score.
    private List<FoundItem> Candidates(List<FoundItem> found, ModelQuery query, ItemRows.View view)
    {
        if (found.Count == 0)
        {
            return found;
        }

        var evidence = new float[Items.Rows];
        RecGptEvidence.Write(_evidence, query.Window.Span, 1, view, evidence);
        var free = new float[evidence.Length];
        TopK.TryAdd(evidence, view.Bias, free);
        foreach (var row in query.Masked.ToArray().Select(view.RowOf).Append(0))
        {
            free[row] = float.NegativeInfinity;
        }

        var (known, last) = (found.Select(item => item.Row).ToHashSet(), found[^1].Score);
        return
        [
            .. found.Select(item => item with { Evidence = evidence[item.Row] }),
            .. TopK.Select(free, query.K).Where(row => !known.Contains(row)).Select(row => new FoundItem(row, last, evidence[row])),
        ];
    }

    private int BeamsFor(int k) => Math.Min(1024, Math.Max(_decoding.Beams, k));

    private GenRecText? TextOf(ModelQuery query, ItemRows.View view)
    {
        int[] rows = [.. query.Window.ToArray().Select(view.RowOf).Where(row => row != 0)];
        return rows.Length == 0 ? null : TextOf(query.UserId, rows);
    }

    private GenRecText TextOf(string userId, int[] rows)
    {
        var window = Texts.Newest(rows, userId);
        return Texts.Of(Users.RowOf(userId), userId, window, window.Length);
    }

    /// <param name="Index">Its query's.</param>
    /// <param name="Text">What is read.</param>
    /// <param name="Beams">How many are followed.</param>
    /// <param name="Masked">Rows that must not be written; 0 means nothing.</param>
    private readonly record struct Asked(int Index, GenRecText Text, int Beams, IEnumerable<int> Masked);

    /// <param name="Row">The item.</param>
    /// <param name="Score">Log-probability of its word.</param>
    /// <param name="Evidence">What the counts say.</param>
    private readonly record struct FoundItem(int Row, float Score, float Evidence = 0)
    {
        public float With(float weight) => Score + (weight * Evidence);
    }
}
