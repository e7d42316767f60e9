using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

public sealed class ByteLevelBpeTrainerTests
{
    private static readonly string[] Titles = ["low lower lowest", "new newer newest", "wide wider widest", "slow low low", "<mask> <mask> <mask>"];

    [Fact]
    public void Special_tokens_and_bytes_come_first()
    {
        var tokenizer = ByteLevelBpeTrainer.Train([], 261, ByteLevelBpeSettings.Bart);
        Assert.Equal(new SpecialIds(0, 2, 1, 3, 4), tokenizer.Special);
        Assert.Equal(261, tokenizer.VocabularySize);
        Assert.Equal("!\"#", tokenizer.Decode([5, 6, 7]));
        Assert.Equal(256, Enumerable.Range(5, 256).Select(id => tokenizer.BytesOf(id)[0]).Distinct().Count());
    }

    [Fact]
    public void The_most_frequent_pair_is_merged_first_and_the_lowest_ids_of_several()
    {
        var tokenizer = ByteLevelBpeTrainer.Train(["bcd bcd bcd", "bce"], 261 + 3, ByteLevelBpeSettings.Bart);
        Assert.Equal(["bc", "bcd", " bcd"], Enumerable.Range(261, 3).Select(id => tokenizer.Decode([id])));
        tokenizer = ByteLevelBpeTrainer.Train(["xy", "xy", "ab", "ab", "ay", "ay"], 261 + 3, ByteLevelBpeSettings.Bart);
        Assert.Equal(["ab", "ay", "xy"], Enumerable.Range(261, 3).Select(id => tokenizer.Decode([id])));
    }

    [Fact]
    public void Training_is_the_algorithm_written_down()
    {
        var random = new Random(9);
        for (var run = 0; run < 20; run++)
        {
            string[] texts =
                [.. Enumerable.Range(0, 12).Select(_ => new string([.. Enumerable.Range(0, 25).Select(_ => "aaabbc é"[random.Next(8)])]))];
            var tokenizer = ByteLevelBpeTrainer.Train(texts, 261 + 30, ByteLevelBpeSettings.Bart);
            var merged = Enumerable.Range(261, tokenizer.VocabularySize - 261).Select(id => Convert.ToHexString(tokenizer.BytesOf(id)));
            Assert.Equal(Written(texts, tokenizer, 30), merged);
        }
    }

    [Fact]
    public void The_order_of_the_texts_does_not_matter()
    {
        using var directory = new TemporaryDirectory();
        Assert.Equal(Saved(Titles), Saved([.. Titles.Reverse()]));

        string Saved(string[] titles)
        {
            ByteLevelBpeTrainer.Train(titles, 300, ByteLevelBpeSettings.Bart).Save(directory.Path);
            return File.ReadAllText(Path.Combine(directory.Path, "vocab.json")) + File.ReadAllText(Path.Combine(directory.Path, "merges.txt"));
        }
    }

    [Fact]
    public void A_special_token_in_the_texts_never_becomes_a_token_of_text()
    {
        var tokenizer = ByteLevelBpeTrainer.Train(Titles, 400, ByteLevelBpeSettings.Bart, minCount: 1);
        Assert.Equal(1, Enumerable.Range(0, tokenizer.VocabularySize).Count(id => tokenizer.Decode([id]) == "<mask>"));
        Assert.Contains("mask", Enumerable.Range(0, tokenizer.VocabularySize).Select(id => tokenizer.Decode([id])));
    }

    [Fact]
    public void Training_ends_where_no_pair_stands_often_enough()
    {
        var tokenizer = ByteLevelBpeTrainer.Train(["abab", "xy"], 1000, ByteLevelBpeSettings.Bart);
        Assert.Equal(["ab"], Enumerable.Range(261, tokenizer.VocabularySize - 261).Select(id => tokenizer.Decode([id])));
    }

    [Fact]
    public void A_saved_vocabulary_is_the_same_vocabulary()
    {
        using var directory = new TemporaryDirectory();
        var tokenizer = ByteLevelBpeTrainer.Train(Titles, 320, ByteLevelBpeSettings.Bart).WithAddedTokens("<a_1>", "\"ö\" \\");
        tokenizer.Save(directory.Path);
        var again = ByteLevelBpe.Load(directory.Path, ByteLevelBpeSettings.Bart);
        Assert.Equal((tokenizer.VocabularySize, tokenizer.Special), (again.VocabularySize, again.Special));
        Assert.All(Titles.Append("newest <a_1> \"ö\" \\."), title => Assert.Equal(tokenizer.EncodeSequence(title), again.EncodeSequence(title)));
    }

    [Fact]
    public void A_size_without_room_for_bytes_is_refused()
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => ByteLevelBpeTrainer.Train([], 260, ByteLevelBpeSettings.Bart));
        Assert.Contains("vocabularySize is 260; it must be at least 261", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => ByteLevelBpeTrainer.Train([], 261, ByteLevelBpeSettings.Bart, minCount: 0));
    }

    /// <summary>The tokens of the first merges, counted anew for each; of equal counts the lowest ids.</summary>
    private static List<string> Written(string[] texts, ByteLevelBpe bytes, int merges)
    {
        var idOf = Enumerable.Range(0, bytes.VocabularySize).Reverse().ToDictionary(id => Convert.ToHexString(bytes.BytesOf(id)));
        List<List<string>> words = [];
        foreach (var text in texts)
        {
            for (int start = 0, end; start < text.Length; start = end)
            {
                end = WordScanner.EndOf(text, start);
                words.Add([.. System.Text.Encoding.UTF8.GetBytes(text[start..end]).Select(b => Convert.ToHexString([b]))]);
            }
        }

        var tokens = new List<string>();
        while (tokens.Count < merges)
        {
            var best = words.SelectMany(word => word.Zip(word.Skip(1))).GroupBy(pair => pair).Where(pairs => pairs.Count() > 1)
                .OrderByDescending(pairs => pairs.Count()).ThenBy(pairs => idOf[pairs.Key.First]).ThenBy(pairs => idOf[pairs.Key.Second]).FirstOrDefault();
            if (best is null)
            {
                break;
            }

            var merged = best.Key.First + best.Key.Second;
            if (!tokens.Contains(merged))
            {
                tokens.Add(merged);
            }

            foreach (var word in words)
            {
                for (var i = 0; i + 1 < word.Count; i++)
                {
                    if ((word[i], word[i + 1]) == best.Key)
                    {
                        word[i] = merged;
                        word.RemoveAt(i + 1);
                    }
                }
            }
        }

        return tokens;
    }
}
