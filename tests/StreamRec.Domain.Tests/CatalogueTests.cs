using System.Collections.Concurrent;

namespace StreamRec.Domain.Tests;

public sealed class CatalogueTests
{
    [Fact]
    public void Numbers_are_given_in_order_and_an_id_keeps_its_own()
    {
        var catalogue = new Catalogue();

        Assert.Equal([0, 1, 2], new[] { "a", "b", "c" }.Select(catalogue.Add));
        Assert.Equal(1, catalogue.Add("b"));
        Assert.Equal(3, catalogue.Count);
        Assert.Equal(new Item("b", 1), catalogue[1]);
    }

    [Fact]
    public void Ids_differ_by_every_code_unit()
    {
        var catalogue = new Catalogue();

        Assert.Equal(5, new[] { "a", "A", "a ", "\u00e4", "a\u0308" }.Select(catalogue.Add).Distinct().Count());
    }

    [Fact]
    public void Numbers_stay_dense_and_stable_when_many_threads_add_the_same_ids()
    {
        const int Threads = 8;
        const int Ids = 5000;
        var catalogue = new Catalogue();
        var given = new ConcurrentDictionary<(int Thread, int Id), int>();
        using var start = new Barrier(Threads);
        var threads = Enumerable.Range(0, Threads).Select(thread => new Thread(() =>
        {
            var order = Enumerable.Range(0, Ids).ToArray();
            new Random(thread).Shuffle(order);
            start.SignalAndWait(TestContext.Current.CancellationToken);
            foreach (var id in order)
            {
                var number = catalogue.Add($"item-{id}");
                given[(thread, id)] = number;
                if (catalogue[number].Id != $"item-{id}")
                {
                    given[(thread, id)] = -1;
                }
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());

        Assert.Equal(Ids, catalogue.Count);
        Assert.Equal(Enumerable.Range(0, Ids), given.Where(g => g.Key.Thread == 0).Select(g => g.Value).Order());
        Assert.All(given, g => Assert.Equal(given[(0, g.Key.Id)], g.Value));
        Assert.All(Enumerable.Range(0, Ids), number => Assert.Equal(number, catalogue[number].Number));
    }

    [Fact]
    public void An_id_that_was_never_added_has_no_number_and_no_item()
    {
        var catalogue = new Catalogue();
        catalogue.Add("a");

        Assert.False(catalogue.TryGetNumber("b", out _));
        Assert.False(catalogue.TryGet("b", out var item));
        Assert.Null(item);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public void A_number_that_was_never_given_is_refused(int number)
    {
        var catalogue = new Catalogue();
        catalogue.Add("a");

        Assert.Throws<ArgumentOutOfRangeException>(() => catalogue[number]);
    }

    [Fact]
    public void A_description_replaces_all_of_the_one_before()
    {
        var catalogue = new Catalogue();
        catalogue.Add("a");
        catalogue.Describe("a", "Lamp", "Home", available: true);
        Assert.True(catalogue.TryGet("a", out var item));
        Assert.Equal(new Item("a", 0, "Lamp", "Home"), item);

        catalogue.Describe("a", null, null, available: true);
        Assert.Equal(new Item("a", 0), catalogue[0]);
    }

    [Fact]
    public void Only_an_item_without_a_number_cannot_be_described()
    {
        var catalogue = new Catalogue();

        Assert.Throws<KeyNotFoundException>(() => catalogue.Describe("a", "Lamp", null, available: true));
    }

    [Fact]
    public void The_availability_version_rises_only_when_an_item_leaves_or_comes_back()
    {
        var catalogue = new Catalogue();
        catalogue.Add("a");
        var fresh = catalogue.AvailabilityVersion;

        catalogue.Describe("a", "Lamp", null, available: true);
        Assert.Equal(fresh, catalogue.AvailabilityVersion);

        catalogue.Describe("a", "Lamp", null, available: false);
        var withdrawn = catalogue.AvailabilityVersion;
        Assert.True(withdrawn > fresh);
        Assert.False(catalogue[0].Available);

        catalogue.Describe("a", "A lamp", null, available: false);
        Assert.Equal(withdrawn, catalogue.AvailabilityVersion);

        catalogue.Describe("a", "A lamp", null, available: true);
        Assert.True(catalogue.AvailabilityVersion > withdrawn);
    }

    [Fact]
    public void A_description_survives_the_growth_that_other_threads_cause()
    {
        var catalogue = new Catalogue();
        for (var i = 0; i < 1000; i++)
        {
            catalogue.Add($"old-{i}");
        }

        using var start = new Barrier(2);
        var adder = new Thread(() =>
        {
            start.SignalAndWait(TestContext.Current.CancellationToken);
            for (var i = 0; i < 20_000; i++)
            {
                catalogue.Add($"new-{i}");
            }
        });
        adder.Start();
        start.SignalAndWait(TestContext.Current.CancellationToken);
        for (var i = 0; i < 1000; i++)
        {
            catalogue.Describe($"old-{i}", $"title {i}", null, available: i % 2 == 0);
        }

        adder.Join();

        Assert.All(Enumerable.Range(0, 1000), i =>
            Assert.Equal(new Item($"old-{i}", i, $"title {i}", null, i % 2 == 0), catalogue[i]));
        Assert.Equal(500, catalogue.AvailabilityVersion);
    }
}
