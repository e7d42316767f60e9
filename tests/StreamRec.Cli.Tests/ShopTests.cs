using StreamRec.Cli.Simulation;
using StreamRec.Domain;

namespace StreamRec.Cli.Tests;

public sealed class ShopTests
{
    private static readonly ShopOptions Small = new() { Users = 50, Items = 200, Categories = 5, Seed = 7 };

    [Fact]
    public void The_same_seed_gives_the_same_stream() => Assert.Equal(Stream(Small, 2000), Stream(Small, 2000));

    [Fact]
    public void Another_seed_gives_another_stream() =>
        Assert.NotEqual(Stream(Small, 100).Select(i => i.ItemId), Stream(Small with { Seed = 8 }, 100).Select(i => i.ItemId));

    [Fact]
    public void Nobody_buys_the_same_thing_twice()
    {
        var seen = new HashSet<(string User, string Item)>();

        Assert.All(Stream(Small, 20_000), i => Assert.True(seen.Add((i.UserId, i.ItemId))));
    }

    [Fact]
    public void Every_item_is_one_of_the_catalogue_and_every_event_id_is_given_once()
    {
        var shop = new Shop(Small);
        var items = shop.Catalogue().ToDictionary(item => item.Id);
        var events = new HashSet<string>();
        for (var i = 0; i < 5000; i++)
        {
            var interaction = shop.Next(i);

            Assert.Contains(interaction.ItemId, items.Keys);
            Assert.Equal(i, interaction.TimestampMs);
            Assert.True(interaction.Type is InteractionType.Click or InteractionType.Purchase);
            Assert.True(events.Add(interaction.EventId!));
            Assert.True(Interaction.IsId(interaction.UserId) && Interaction.IsId(interaction.EventId!));
        }

        Assert.Equal(Small.Items, items.Count);
        Assert.All(items.Values, item => Assert.True(item.Title.Length > 0 && item.Category.Length > 0));
    }

    [Theory]
    [InlineData(1, 20, 2, 0.0)]
    [InlineData(1, 20, 2, 1.0)]
    [InlineData(3, 25, 2, 0.5)]
    [InlineData(2, 1000, 100, 1.0)]
    public void The_smallest_shops_go_on_for_as_long_as_one_asks(int users, int items, int categories, double drift)
    {
        var options = new ShopOptions { Users = users, Items = items, Categories = categories, Drift = drift };

        Assert.Equal(3000, Stream(options, 3000).Count);
    }

    [Fact]
    public void A_regular_leaves_after_sixty_things_and_somebody_new_comes()
    {
        var bought = Stream(Small with { Users = 1 }, 600).GroupBy(i => i.UserId).Select(user => user.Count());

        Assert.All(bought, count => Assert.Equal(60, count));
    }

    [Fact]
    public void Without_drift_a_customer_keeps_to_few_categories_and_with_it_to_more()
    {
        Assert.True(CategoriesOfACustomer(drift: 0.5) > CategoriesOfACustomer(drift: 0) + 1);

        static double CategoriesOfACustomer(double drift)
        {
            var options = new ShopOptions { Users = 20, Items = 2000, Categories = 20, Drift = drift };
            var shop = new Shop(options);
            var categories = shop.Catalogue().ToDictionary(item => item.Id, item => item.Category);
            return Enumerable.Range(0, 600).Select(i => shop.Next(i)).GroupBy(i => i.UserId)
                .Where(user => user.Count() >= 20)
                .Average(user => user.Take(20).Select(i => categories[i.ItemId]).Distinct().Count());
        }
    }

    [Fact]
    public void What_was_bought_last_tells_more_about_the_next_than_popularity()
    {
        var stream = Stream(new ShopOptions { Users = 200, Items = 400, Categories = 10 }, 20_000);
        var popular = stream.GroupBy(i => i.ItemId).OrderByDescending(item => item.Count()).Take(10).Select(item => item.Key).ToHashSet();
        var pairs = stream.GroupBy(i => i.UserId)
            .SelectMany(user => user.Zip(user.Skip(1), (last, next) => (Last: last.ItemId, Next: next.ItemId)))
            .ToList();
        var successors = pairs.GroupBy(p => p.Last).ToDictionary(
            item => item.Key,
            item => item.GroupBy(p => p.Next).OrderByDescending(next => next.Count()).Take(10).Select(next => next.Key).ToHashSet());

        var byLast = pairs.Average(p => successors[p.Last].Contains(p.Next) ? 1.0 : 0.0);
        var byPopularity = pairs.Average(p => popular.Contains(p.Next) ? 1.0 : 0.0);

        Assert.True(byLast > 2 * byPopularity, $"{byLast:F3} against {byPopularity:F3}");
    }

    [Theory]
    [InlineData(0, 1000, 40, 0.04, "--users is 0; it must be in [1, 10000000].")]
    [InlineData(10, 399, 40, 0.04, "--items is 399; it must be in [400, 10000000].")]
    [InlineData(10, 1000, 1, 0.04, "--categories is 1; it must be in [2, 10000].")]
    [InlineData(10, 1000, int.MaxValue, 0.04, "--categories is 2147483647; it must be in [2, 10000].")]
    [InlineData(10, 1000, 40, -0.1, "--drift is -0.1; it must be in [0, 1].")]
    [InlineData(10, 1000, 40, 1.1, "--drift is 1.1; it must be in [0, 1].")]
    [InlineData(10, 1000, 40, double.NaN, "--drift is NaN; it must be in [0, 1].")]
    public void Options_out_of_range_are_refused_by_name(int users, int items, int categories, double drift, string expected)
    {
        var options = new ShopOptions { Users = users, Items = items, Categories = categories, Drift = drift };

        Assert.Equal(expected, Assert.Throws<ArgumentException>(() => new Shop(options)).Message);
    }

    private static List<Interaction> Stream(ShopOptions options, int count)
    {
        var shop = new Shop(options);
        return [.. Enumerable.Range(0, count).Select(i => shop.Next(i))];
    }
}
