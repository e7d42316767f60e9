using StreamRec.Models.Decoding;
using StreamRec.Torch;

namespace StreamRec.Models.Tests;

/// <summary>Beam search against trying everything, on a language of seven tokens whose probabilities depend on all tokens before.</summary>
public sealed class BeamSearchTests
{
    private const int Vocabulary = 7;
    private const int End = 3;

    [Theory]
    [InlineData(1.0, false)]
    [InlineData(0.0, false)]
    [InlineData(2.0, false)]
    [InlineData(-1.0, false)]
    [InlineData(1.0, true)]
    public void With_room_for_every_beginning_the_best_texts_are_those_of_all_texts(double lengthPenalty, bool repeatsForbidden)
    {
        // Six tokens that do not end: 6 + 36 beginnings, and 259 texts of at most 3 tokens.
        var options = new BeamOptions
        {
            Beams = 300,
            Returned = 40,
            MaxTokens = 3,
            End = End,
            LengthPenalty = lengthPenalty,
            NoRepeatNgram = repeatsForbidden ? 1 : 0,
        };

        var found = BeamSearch.Run(new Language(inputs: 3), options);

        for (var input = 0; input < 3; input++)
        {
            var expected = AllTexts(3)
                .Where(text => !repeatsForbidden || text.Append(Language.Prompt).Distinct().Count() == text.Length + 1)
                .Select(text => (Text: text, Score: Language.LogProbability(input, text) / Math.Pow(text.Length, lengthPenalty)))
                .OrderByDescending(pair => pair.Score).Take(40).ToArray();
            Assert.Equal(expected.Select(pair => pair.Text), found[input].Select(text => text.Tokens));
            Assert.All(expected.Zip(found[input]), pair => Assert.Equal(pair.First.Score, pair.Second.Score, 1e-5));
        }
    }

    [Fact]
    public void One_beam_takes_the_likeliest_token_each_time()
    {
        var found = BeamSearch.Run(new Language(inputs: 8), new BeamOptions { MaxTokens = 6, End = End });

        for (var input = 0; input < 8; input++)
        {
            var text = new List<int>();
            while (text.Count < 6 && (text.Count == 0 || text[^1] != End))
            {
                text.Add(Enumerable.Range(0, Vocabulary).MaxBy(token => Language.LogProbability(input, [.. text, token])));
            }

            Assert.Equal(text, Assert.Single(found[input]).Tokens);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void With_a_trie_the_best_items_are_found_and_nothing_else(bool renormalize)
    {
        var random = new Random(7);
        for (var run = 0; run < 20; run++)
        {
            var strings = TokenTrieTests.Strings(random, 30);
            var trie = new TokenTrie(strings, End);
            int[] withdrawn = [.. Enumerable.Range(0, 8).Select(_ => random.Next(30))];
            int[][] excluded = [[], [.. Enumerable.Range(0, 5).Select(_ => random.Next(30))]];
            Array.ForEach(withdrawn, trie.Withdraw);
            var found = BeamSearch.Run(
                new Language(inputs: 2), new BeamOptions { Beams = 120, Returned = 120, MaxTokens = 5, LengthPenalty = 0, Renormalize = renormalize }, trie, excluded);

            for (var input = 0; input < 2; input++)
            {
                var live = Enumerable.Range(0, 30).Except(withdrawn).Except(excluded[input]).ToArray();
                var texts = live.Select(item => string.Join(' ', strings[item])).ToHashSet();
                var allowed = live.Select(item => strings[item].Append(End).ToArray()).ToArray();
                Assert.Equal(texts.Order(), found[input].Select(text => string.Join(' ', text.Tokens[..^1])).Order());
                Assert.Equal(live.Order(), found[input].SelectMany(text => text.Items).Order());
                Assert.Equal(found[input].OrderByDescending(text => text.Score), found[input]);
                Assert.All(found[input], text =>
                {
                    var score = renormalize ? Language.LogProbability(input, text.Tokens, allowed) : Language.LogProbability(input, text.Tokens);
                    Assert.Equal(score, text.Score, 1e-5);
                });
            }
        }
    }

    [Fact]
    public void An_item_withdrawn_while_it_is_being_written_is_not_produced()
    {
        var trie = new TokenTrie([[4, 5], [4, 6]], End);
        var model = new Language(inputs: 1);
        model.Stepping += step =>
        {
            if (step == 2)
            {
                trie.Withdraw(1);
            }
        };

        var found = BeamSearch.Run(model, new BeamOptions { Beams = 4, Returned = 4, MaxTokens = 3 }, trie);

        Assert.Equal([0], Assert.Single(found[0]).Items);
    }

    [Fact]
    public void An_input_without_any_item_left_has_no_texts_and_the_others_have_theirs()
    {
        var trie = new TokenTrie([[4, 5], [6]], End);

        var found = BeamSearch.Run(new Language(inputs: 2), new BeamOptions { Beams = 3, Returned = 3, MaxTokens = 3 }, trie, [[0, 1], [1]]);

        Assert.Empty(found[0]);
        Assert.Equal([0], Assert.Single(found[1]).Items);
    }

    [Fact]
    public void Inputs_that_are_done_are_computed_no_longer()
    {
        var model = new Language(inputs: 20);

        BeamSearch.Run(model, new BeamOptions { MaxTokens = 30, End = End });

        Assert.InRange(model.MostRows, 10, 20);
        Assert.InRange(model.FewestRows, 1, 5);
    }

    [Fact]
    public void Forced_tokens_stand_where_they_must_and_cost_nothing()
    {
        var options = new BeamOptions { Beams = 100, Returned = 5, MaxTokens = 3, End = End, LengthPenalty = 0, ForcedFirst = 5, ForcedLast = End };

        var found = BeamSearch.Run(new Language(inputs: 2), options);

        for (var input = 0; input < 2; input++)
        {
            // Either the second token ends the text or the third has to.
            var expected = Enumerable.Range(0, Vocabulary)
                .Select(token => (Text: token == End ? new[] { 5, End } : [5, token, End], Score: Language.LogProbability(input, [5, token]) - Language.LogProbability(input, [5])))
                .OrderByDescending(pair => pair.Score).Take(5).ToArray();
            Assert.Equal(expected.Select(pair => pair.Text), found[input].Select(text => text.Tokens));
            Assert.All(expected.Zip(found[input]), pair => Assert.Equal(pair.First.Score, pair.Second.Score, 1e-5));
        }
    }

    [Fact]
    public void A_pair_of_tokens_comes_at_most_once_when_pairs_must_not_repeat()
    {
        var options = new BeamOptions { Beams = 4, Returned = 4, MaxTokens = 12, NoRepeatNgram = 2 };

        var found = BeamSearch.Run(new Language(inputs: 3), options).SelectMany(texts => texts).ToArray();

        Assert.Equal(12, found.Length);
        Assert.All(found, text =>
        {
            int[] all = [Language.Prompt, .. text.Tokens];
            Assert.Distinct(all.Zip(all.Skip(1)));
        });
    }

    [Fact]
    public void Early_stopping_takes_the_first_texts_that_end()
    {
        var options = new BeamOptions { Beams = 2, Returned = 2, MaxTokens = 12, End = End, LengthPenalty = 3 };

        var (patient, early) = (BeamSearch.Run(new Language(inputs: 20), options), BeamSearch.Run(new Language(inputs: 20), options with { EarlyStopping = true }));

        Assert.All(patient.Zip(early), pair => Assert.True(pair.First[0].Score >= pair.Second[0].Score));
        Assert.Contains(patient.Zip(early), pair => pair.First[0].Score > pair.Second[0].Score);
    }

    [Fact]
    public void An_end_that_is_not_among_the_first_as_many_as_beams_is_no_text()
    {
        // The best continuations of 4 and 5 are, in order: 4 6, 4 end, 5 end, 5 0. The third ends behind the first two and is lost.
        static double[] Probabilities(int[] text) => text switch
        {
            [] => [0.02, 0.02, 0.02, 0.02, 0.50, 0.40, 0.02],
            [4] => [0.02, 0.02, 0.02, 0.40, 0.02, 0.02, 0.50],
            [5] => [0.35, 0.05, 0.05, 0.45, 0.05, 0.05, 0.00],
            _ => [0.05, 0.05, 0.05, 0.50, 0.05, 0.05, 0.25],
        };
        var model = new Language(inputs: 1, (_, text) => [.. Probabilities(text).Select(p => Math.Log(p))]);

        var found = BeamSearch.Run(model, new BeamOptions { Beams = 2, Returned = 2, MaxTokens = 3, End = End, LengthPenalty = 0 });

        Assert.Equal([[4, End], [4, 6, End]], found[0].Select(text => text.Tokens));
        Assert.Equal(Math.Log(0.2), found[0][0].Score, 1e-5);
        Assert.Equal(Math.Log(0.125), found[0][1].Score, 1e-5);
    }

    [Fact]
    public void Options_that_cannot_be_had_are_refused()
    {
        var trie = new TokenTrie([[4]], End);
        Refused("Beams is 0; it must be in [1, 1024].", new BeamOptions { Beams = 0 }, null);
        Refused("Returned is 3; it must be in [1, 2].", new BeamOptions { Beams = 2, Returned = 3 }, null);
        Refused("End is 7; it must be in [0, 6].", new BeamOptions { End = Vocabulary }, null);
        Refused("LengthPenalty is NaN; it must be in [-10, 10].", new BeamOptions { LengthPenalty = double.NaN }, null);
        Refused("End is 2, but the trie's strings end with 3; leave it null.", new BeamOptions { End = 2 }, trie);
        Refused("The trie has the token 7; the model knows those in [0, 6].", new BeamOptions(), new TokenTrie([[7]], End));
        Refused("ForcedFirst, ForcedLast and NoRepeatNgram cannot be had with a trie", new BeamOptions { ForcedFirst = 4 }, trie);

        static void Refused(string message, BeamOptions options, TokenTrie? trie)
        {
            var error = Assert.Throws<ArgumentException>(() => BeamSearch.Run(new Language(inputs: 1), options, trie));
            Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
        }
    }

    private static IEnumerable<int[]> AllTexts(int most)
    {
        List<int[]> beginnings = [[]];
        for (var length = 1; length <= most; length++)
        {
            var longer = beginnings.SelectMany(text => Enumerable.Range(0, Vocabulary).Select(token => (int[])[.. text, token])).ToArray();
            foreach (var text in longer.Where(text => length == most || text[^1] == End))
            {
                yield return text;
            }

            beginnings = [.. longer.Where(text => text[^1] != End)];
        }
    }

    /// <summary>A language whose every row of log-probabilities is drawn anew from the input and all tokens so far, unless it is given.</summary>
    private sealed class Language(int inputs, Func<int, int[], double[]>? rows = null) : INextTokens
    {
        public const int Prompt = 2;

        private List<(int Input, int[] Text)> _rows = [];
        private int _steps;

        /// <summary>Told the number of the step that begins.</summary>
        public event Action<int>? Stepping;

        public int MostRows { get; private set; }

        public int FewestRows { get; private set; } = int.MaxValue;

        int INextTokens.Vocabulary => BeamSearchTests.Vocabulary;

        public IReadOnlyList<int[]> Prompts { get; } = [.. Enumerable.Repeat<int[]>([Prompt], inputs)];

        public Tensor Start()
        {
            _rows = [.. Enumerable.Range(0, inputs).Select(input => (input, Array.Empty<int>()))];
            return Probabilities();
        }

        public Tensor Step(ReadOnlySpan<int> rows, ReadOnlySpan<int> tokens)
        {
            Stepping?.Invoke(++_steps);
            var next = new List<(int Input, int[] Text)>();
            for (var i = 0; i < rows.Length; i++)
            {
                var (input, text) = _rows[rows[i]];
                next.Add((input, [.. text, tokens[i]]));
            }

            // As the port says: together, in their order, equally many for each.
            Assert.Equal(next.Select(row => row.Input).Order(), next.Select(row => row.Input));
            Assert.Single(next.CountBy(row => row.Input).Select(pair => pair.Value).Distinct());
            MostRows = Math.Max(MostRows, rows.Length);
            FewestRows = Math.Min(FewestRows, rows.Length);
            _rows = next;
            return Probabilities();
        }

        /// <summary>Sum over the tokens of a text; with texts that are allowed, of what is left over normalised again.</summary>
        public static double LogProbability(int input, int[] text, int[][]? allowed = null) => Enumerable.Range(0, text.Length).Sum(i =>
        {
            var row = Row(input, text[..i]);
            var possible = allowed is null
                ? Enumerable.Range(0, BeamSearchTests.Vocabulary)
                : allowed.Where(other => other.Length > i && other.AsSpan(0, i).SequenceEqual(text.AsSpan(0, i))).Select(other => other[i]).Distinct();
            return row[text[i]] - Math.Log(possible.Sum(token => Math.Exp(row[token])));
        });

        public void Dispose()
        {
        }

        private Tensor Probabilities() => Tensor.From(
            [.. _rows.SelectMany(row => (rows ?? Row)(row.Input, row.Text)).Select(value => (float)value)], _rows.Count, BeamSearchTests.Vocabulary);

        private static double[] Row(int input, int[] text)
        {
            var random = new Random(text.Aggregate(17 + input, (seed, token) => unchecked((seed * 31) + token + 1)));
            double[] logits = [.. Enumerable.Range(0, BeamSearchTests.Vocabulary).Select(_ => 3 * random.NextDouble())];
            var total = Math.Log(logits.Sum(Math.Exp));
            return [.. logits.Select(logit => logit - total)];
        }
    }
}
