using System.Text;

namespace StreamRec.Domain.Tests;

public sealed class IdIndexTests
{
    [Fact]
    public void Every_id_has_its_number_whatever_its_length()
    {
        var index = new IdIndex();
        var ids = new List<byte[]>();
        for (var length = 1; length <= 256; length++)
        {
            // Two that differ in the first byte, the last one, or one in between.
            foreach (var changed in new[] { 0, length / 2, length - 1 }.Distinct())
            {
                var id = Enumerable.Repeat((byte)'a', length).ToArray();
                id[changed] = (byte)'b';
                ids.Add(id);
            }
        }

        Assert.Equal(Enumerable.Range(0, ids.Count), ids.Select(id => index.Add(id)));
        Assert.Equal(Enumerable.Range(0, ids.Count), ids.Select(id => index.Find(id)));
        Assert.Equal(ids.Count, index.Count);
        Assert.All(ids, id => Assert.Equal(-1, index.Find([.. id[..^1], (byte)'c'])));
    }

    [Fact]
    public void Items_looked_up_together_are_those_found_one_by_one()
    {
        var index = new IdIndex();
        for (var i = 0; i < 20_000; i++)
        {
            index.Add(Encoding.UTF8.GetBytes($"item-{i}{(i % 3 == 0 ? "-with-a-name-that-does-not-fit-an-entry" : "")}"));
        }

        var random = new Random(3);
        var records = new IngestedInteractions();
        for (var i = 0; i < 5_000; i++)
        {
            var item = random.Next(25_000);
            records.Add(i, new Interaction("u", $"item-{item}{(item % 3 == 0 ? "-with-a-name-that-does-not-fit-an-entry" : "")}", InteractionType.Click, 0));
        }

        var numbers = new int[records.Count];
        index.FindItems(records, new int[records.Count], numbers);
        Assert.All(numbers, (number, i) => Assert.Equal(index.Find(records.ItemId(i)), number));
        Assert.Contains(-1, numbers);
    }

    [Fact]
    public async Task What_was_added_is_found_while_more_is_being_added()
    {
        const int Ids = 50_000;
        var index = new IdIndex();
        var adding = Task.Run(() =>
        {
            for (var i = 0; i < Ids; i++)
            {
                index.Add(Encoding.UTF8.GetBytes($"{i}"));
            }
        }, TestContext.Current.CancellationToken);
        var random = new Random(1);
        while (!adding.IsCompleted)
        {
            var count = index.Count;
            if (count > 0)
            {
                var number = random.Next(count);
                Assert.Equal(number, index.Find(Encoding.UTF8.GetBytes($"{number}")));
            }
        }

        await adding;
        Assert.Equal(Ids - 1, index.Find(Encoding.UTF8.GetBytes($"{Ids - 1}")));
    }
}
