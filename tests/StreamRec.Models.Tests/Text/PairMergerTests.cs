using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

public sealed class PairMergerTests
{
    [Fact]
    public void Random_words_merge_like_by_the_algorithm_written_down()
    {
        var random = new Random(3);
        for (var table = 0; table < 50; table++)
        {
            // Ranks in no order, so that a merge can make a pair of lower rank; several pairs spell the same token.
            List<string> tokens = ["a", "b", "c"];
            var pairs = new Dictionary<(int, int), (int Rank, int Merged)>();
            var ranks = Enumerable.Range(0, 40).ToArray();
            random.Shuffle(ranks);
            while (pairs.Count < ranks.Length)
            {
                var (left, right) = (random.Next(Math.Min(tokens.Count, 9)), random.Next(Math.Min(tokens.Count, 9)));
                if (!pairs.ContainsKey((left, right)))
                {
                    var text = tokens[left] + tokens[right];
                    if (!tokens.Contains(text))
                    {
                        tokens.Add(text);
                    }

                    pairs.Add((left, right), (ranks[pairs.Count], tokens.IndexOf(text)));
                }
            }

            var merges = new MergeTable(pairs.Count);
            Assert.All(pairs, pair => Assert.True(merges.TryAdd(pair.Key.Item1, pair.Key.Item2, pair.Value.Rank, pair.Value.Merged)));
            var merger = new PairMerger(merges, PairMerger.Order.Pairs);
            for (var run = 0; run < 100; run++)
            {
                int[] word = [.. Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.Next(3))];
                var expected = Written([.. word], pairs);
                Assert.Equal(expected, word[..merger.Merge(word)]);
            }
        }
    }

    [Fact]
    public void A_pair_is_merged_everywhere_before_one_that_it_makes_unless_places_come_first()
    {
        // 0 1 becomes 2, and 2 0 would be merged earlier if it were there earlier.
        var merges = new MergeTable(2);
        Assert.True(merges.TryAdd(0, 1, rank: 5, merged: 2));
        Assert.True(merges.TryAdd(2, 0, rank: 1, merged: 3));
        Assert.Equal([2, 3], Merged(PairMerger.Order.Pairs, [0, 1, 0, 1, 0]));
        Assert.Equal([3, 1, 0], Merged(PairMerger.Order.Places, [0, 1, 0, 1, 0]));

        int[] Merged(PairMerger.Order order, int[] word) => word[..new PairMerger(merges, order).Merge(word)];
    }

    [Fact]
    public void A_word_as_long_as_a_book_is_merged_as_well_before_and_after_others()
    {
        var merges = new MergeTable(18);
        for (var level = 0; level < 18; level++)
        {
            Assert.True(merges.TryAdd(level, level, level, level + 1));
        }

        var merger = new PairMerger(merges, PairMerger.Order.Pairs);
        foreach (var (length, expected) in new (int, int[])[] { (5, [2, 0]), (1 << 17, [17]), (7, [2, 1, 0]), (1, [0]) })
        {
            var word = new int[length];
            Assert.Equal(expected, word[..merger.Merge(word)]);
        }
    }

    [Fact]
    public void A_pair_cannot_be_in_the_table_twice()
    {
        var merges = new MergeTable(1);
        Assert.True(merges.TryAdd(1, 2, 0, 3));
        Assert.False(merges.TryAdd(1, 2, 1, 4));
        Assert.Equal((0, 3), (merges.RankOf(1, 2, out var merged), merged));
        Assert.Equal(MergeTable.NoMerge, merges.RankOf(2, 1, out _));
    }

    private static List<int> Written(List<int> word, Dictionary<(int, int), (int Rank, int Merged)> pairs)
    {
        while (true)
        {
            var best = word.Zip(word.Skip(1)).Where(pairs.ContainsKey).OrderBy(pair => pairs[pair].Rank).FirstOrDefault((-1, -1));
            if (best == (-1, -1))
            {
                return word;
            }

            var result = new List<int>();
            for (var i = 0; i < word.Count; i++)
            {
                var stands = i + 1 < word.Count && (word[i], word[i + 1]) == best;
                result.Add(stands ? pairs[best].Merged : word[i]);
                i += stands ? 1 : 0;
            }

            word = result;
        }
    }
}
