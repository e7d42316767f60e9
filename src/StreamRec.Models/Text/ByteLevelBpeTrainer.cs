using System.Runtime.InteropServices;
using System.Text;

namespace StreamRec.Models.Text;

/// <summary>Makes a byte-level vocabulary of texts, as of the titles of a catalogue.</summary>
/// <remarks>
/// Ids: the special tokens of the settings, the 256 bytes in the order of their characters, then one token for each merge in the order of the
/// merges. The pair that stands most often is merged next; of several, the one with the lowest left id, then the lowest right id. So equal texts
/// give equal vocabularies, in whatever order they come. Counts are kept up to date from merge to merge: a merge costs what the words
/// with its pair cost. Source: Sennrich et al. 2016, algorithm 1.
/// </remarks>
public sealed class ByteLevelBpeTrainer
{
    private readonly ByteLevelBpeSettings _settings;
    private readonly TokenBytes _tokens = new();
    private readonly Dictionary<string, int> _idsOfTexts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _special = new(StringComparer.Ordinal);
    private readonly List<(int Left, int Right, int Merged)> _merges = [];
    private readonly List<(int[] Ids, long Count)> _words = [];
    private readonly Dictionary<(int Left, int Right), long> _counts = [];
    private readonly Dictionary<(int Left, int Right), HashSet<int>> _wordsOf = [];
    private readonly PriorityQueue<(int Left, int Right), (long Count, int Left, int Right)> _best = new();

    private ByteLevelBpeTrainer(ByteLevelBpeSettings settings)
    {
        _settings = settings;
        foreach (var token in settings.SpecialTokens)
        {
            _special[token] = _tokens.Count;
            _tokens.Add(Encoding.UTF8.GetBytes(token));
        }

        foreach (var b in ByteAlphabet.InOrder)
        {
            _idsOfTexts[ByteAlphabet.Write([b])] = _tokens.Count;
            _tokens.Add([b]);
        }
    }

    /// <summary>Trains.</summary>
    /// <param name="texts">Read once. Special tokens in them are text like any other.</param>
    /// <param name="vocabularySize">Tokens at the most, special ones included; fewer where the texts have no pair left that stands often enough.</param>
    /// <param name="settings">Special tokens and how text begins.</param>
    /// <param name="minCount">How often a pair has to stand in the texts to be merged, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size leaves no room for special tokens and bytes, or minCount is below 1.</exception>
    public static ByteLevelBpe Train(IEnumerable<string> texts, int vocabularySize, ByteLevelBpeSettings settings, int minCount = 2)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(minCount, 1);
        var trainer = new ByteLevelBpeTrainer(settings);
        if (vocabularySize < trainer._tokens.Count)
        {
            throw new ArgumentOutOfRangeException(
                nameof(vocabularySize),
                $"vocabularySize is {vocabularySize}; it must be at least {trainer._tokens.Count}, for {settings.SpecialTokens.Count} special tokens and 256 bytes.");
        }

        trainer.CountWords(texts);
        trainer.CountPairs();
        trainer.Merge(vocabularySize, minCount);
        return new ByteLevelBpe(trainer._tokens, trainer._merges, trainer._special, settings);
    }

    private void CountWords(IEnumerable<string> texts)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        var byText = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var given in texts)
        {
            var text = ByteLevelBpe.NeedsSpace(given, _settings) ? " " + given : given;
            for (var start = 0; start < text.Length;)
            {
                var end = WordScanner.EndOf(text, start);
                CollectionsMarshal.GetValueRefOrAddDefault(byText, text.AsSpan(start, end - start), out _)++;
                start = end;
            }
        }

        foreach (var (word, count) in counts)
        {
            var ids = Encoding.UTF8.GetBytes(word).Select(b => _idsOfTexts[ByteAlphabet.Write([b])]);
            _words.Add(([.. ids], count));
        }
    }

    private void CountPairs()
    {
        for (var word = 0; word < _words.Count; word++)
        {
            var (ids, count) = _words[word];
            for (var i = 1; i < ids.Length; i++)
            {
                Change((ids[i - 1], ids[i]), count, word);
            }
        }

        foreach (var (pair, count) in _counts)
        {
            Queue(pair, count);
        }
    }

    private void Merge(int vocabularySize, int minCount)
    {
        var touched = new HashSet<(int Left, int Right)>();
        while (_tokens.Count < vocabularySize && _best.TryDequeue(out var pair, out var priority))
        {
            // Each change of a count queues the pair again; what it had before is void.
            var count = _counts.GetValueOrDefault(pair);
            if (count != -priority.Count)
            {
                continue;
            }

            if (count < minCount)
            {
                return;
            }

            var text = ByteAlphabet.Write([.. _tokens[pair.Left], .. _tokens[pair.Right]]);
            if (_special.ContainsKey(text))
            {
                // A title may spell out a special token; it must not become one.
                continue;
            }

            // Two pairs can spell the same token.
            if (!_idsOfTexts.TryGetValue(text, out var merged))
            {
                merged = _tokens.Count;
                _idsOfTexts[text] = merged;
                _tokens.Add([.. _tokens[pair.Left], .. _tokens[pair.Right]]);
            }

            _merges.Add((pair.Left, pair.Right, merged));
            touched.Clear();
            foreach (var word in _wordsOf[pair])
            {
                MergeIn(word, pair, merged, touched);
            }

            _wordsOf.Remove(pair);
            _counts.Remove(pair);
            foreach (var changed in touched)
            {
                if (_counts.TryGetValue(changed, out var now))
                {
                    Queue(changed, now);
                }
            }
        }
    }

    /// <summary>Merges a pair in one word and brings the counts of the pairs beside it up to date.</summary>
    private void MergeIn(int word, (int Left, int Right) pair, int merged, HashSet<(int Left, int Right)> touched)
    {
        var (ids, count) = _words[word];
        var result = new List<int>(ids.Length);
        for (var i = 0; i < ids.Length; i++)
        {
            if (i + 1 < ids.Length && ids[i] == pair.Left && ids[i + 1] == pair.Right)
            {
                result.Add(merged);
                i++;
            }
            else
            {
                result.Add(ids[i]);
            }
        }

        // A word is short, so its pairs are counted anew rather than those beside the merged ones picked out.
        if (result.Count < ids.Length)
        {
            CountAgain(ids, -count);
            CountAgain(CollectionsMarshal.AsSpan(result), count);
            _words[word] = ([.. result], count);
        }

        void CountAgain(ReadOnlySpan<int> pairs, long by)
        {
            for (var i = 1; i < pairs.Length; i++)
            {
                var one = (pairs[i - 1], pairs[i]);
                Change(one, by, word);
                touched.Add(one);
            }
        }
    }

    private void Change((int Left, int Right) pair, long by, int word)
    {
        CollectionsMarshal.GetValueRefOrAddDefault(_counts, pair, out _) += by;
        if (by > 0)
        {
            (CollectionsMarshal.GetValueRefOrAddDefault(_wordsOf, pair, out _) ??= []).Add(word);
        }
    }

    private void Queue((int Left, int Right) pair, long count) => _best.Enqueue(pair, (-count, pair.Left, pair.Right));
}
