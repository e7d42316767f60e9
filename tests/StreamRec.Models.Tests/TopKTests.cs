namespace StreamRec.Models.Tests;

public sealed class TopKTests
{
    [Fact]
    public void The_best_are_selected_like_by_a_stable_sort()
    {
        var random = new Random(5);
        for (var run = 0; run < 200; run++)
        {
            var scores = new float[random.Next(1, 300)];
            for (var i = 0; i < scores.Length; i++)
            {
                // Few distinct values, so that ties are frequent.
                scores[i] = random.Next(10) == 0 ? float.NegativeInfinity : random.Next(20);
            }

            var k = random.Next(1, 30);
            var expected = Enumerable.Range(0, scores.Length)
                .Where(i => !float.IsNegativeInfinity(scores[i])).OrderByDescending(i => scores[i]).ThenBy(i => i).Take(k);
            Assert.Equal(expected, TopK.Select(scores, k));
        }
    }

    [Fact]
    public void Adding_a_bias_notices_a_score_that_is_not_a_number()
    {
        var (scores, bias, result) = (new float[37], new float[37], new float[37]);
        bias[3] = float.NegativeInfinity;
        Assert.True(TopK.TryAdd(scores, bias, result));
        Assert.Equal(float.NegativeInfinity, result[3]);
        foreach (var place in new[] { 0, 20, 36 })
        {
            scores[place] = float.NaN;
            Assert.False(TopK.TryAdd(scores, bias, result));
            scores[place] = 0;
        }
    }
}
