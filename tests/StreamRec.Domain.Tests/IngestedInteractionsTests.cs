namespace StreamRec.Domain.Tests;

public sealed class IngestedInteractionsTests
{
    [Fact]
    public void What_is_added_comes_back_in_order()
    {
        var random = new Random(1);
        var interactions = new IngestedInteractions();
        var expected = new List<Interaction>();
        for (var i = 0; i < 1000; i++)
        {
            var eventId = i % 3 == 0 ? $"e{i}" : null;
            expected.Add(new Interaction(
                new string('ü', random.Next(1, 129)), $"{i}🙂", (InteractionType)(i % 6), i, i % 2 == 0 ? double.NaN : i, eventId));
            interactions.Add(10 + i, expected[i], traceParent: $"t{i}");
        }

        Assert.Equal(1000, interactions.Count);
        Assert.Equal(expected, Enumerable.Range(0, 1000).Select(interactions.Interaction));
        Assert.Equal((10, "t0"), (interactions.Records[0].Offset, interactions.Records[0].TraceParent));
        Assert.Equal((1009, "t999"), (interactions.Records[999].Offset, interactions.Records[999].TraceParent));
    }

    [Fact]
    public void Released_there_is_nothing_in_it_and_it_may_be_filled_again()
    {
        var interactions = new IngestedInteractions(100);
        interactions.Add(0, new Interaction("u", "i", InteractionType.Click, 0));
        interactions.Release();
        Assert.Equal(0, interactions.Count);
        interactions.Release();
        interactions.Add(5, new Interaction("v", "j", InteractionType.View, 1));
        Assert.Equal(new Interaction("v", "j", InteractionType.View, 1), interactions.Interaction(0));
    }

    [Fact]
    public void What_is_no_id_is_refused() => Assert.All(["", "a\n", "x\ud800", new string('ж', 129)], id =>
    {
        var interactions = new IngestedInteractions();
        Assert.Throws<ArgumentException>(() => interactions.Add(0, new Interaction(id, "i", InteractionType.Click, 0)));
        Assert.Throws<ArgumentException>(() => interactions.Add(0, new Interaction("u", id, InteractionType.Click, 0)));
        Assert.Equal(0, interactions.Count);
    });
}
