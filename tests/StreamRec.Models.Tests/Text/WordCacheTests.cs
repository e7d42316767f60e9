using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

public sealed class WordCacheTests
{
    [Fact]
    public void A_word_has_its_own_ids_or_none_however_small_the_cache_is()
    {
        var (random, cache, found) = (new Random(7), new WordCache(slots: 4), 0);
        for (var i = 0; i < 20_000; i++)
        {
            // Words that differ in length alone, in their last unit alone, and by a trailing zero unit.
            var word = new string('a', random.Next(1, 15)) + "ab\0"[random.Next(3)];
            int[] ids = [.. Enumerable.Range(0, 1 + (word.Length % WordCache.MaxTokens)).Select(j => word.Length + word[^1] + j)];
            var kept = cache.Find(word);
            if (kept.IsEmpty)
            {
                cache.Add(word, ids);
                kept = cache.Find(word);
            }
            else
            {
                found++;
            }

            Assert.Equal(ids, kept);
        }

        Assert.InRange(found, 1, 19_999);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(12)]
    public void A_size_that_is_no_power_of_two_is_refused(int slots) => Assert.Throws<ArgumentOutOfRangeException>(() => new WordCache(slots));
}
