namespace StreamRec.Kafka.Tests;

public sealed class MappingOptionsValidatorTests
{
    [Fact]
    public void Defaults_are_valid_and_say_nothing()
    {
        Assert.True(new MappingOptionsValidator().Validate(null, new MappingOptions()).Succeeded);
        Assert.False(new MappingOptions().IsSet);
    }

    [Theory]
    [InlineData("$.user")]
    [InlineData("$.user.id")]
    [InlineData("$.@user.$id.a-b_9")]
    [InlineData("$.größe.漢")]
    [InlineData("$['user']['i d']")]
    [InlineData(@"$['it\'s']['back\\slash']")]
    [InlineData("$.items[0].sku")]
    [InlineData("$.a[99999][1]")]
    [InlineData("$.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p")]
    public void A_path_of_names_and_numbers_is_valid(string path) => Assert.Empty(Faults(new MappingOptions { User = path }));

    [Theory]
    [InlineData("", 1)]
    [InlineData("user", 1)]
    [InlineData("$", 2)]
    [InlineData("$user", 2)]
    [InlineData("$.", 2)]
    [InlineData("$..id", 2)]
    [InlineData("$.a..b", 4)]
    [InlineData("$.a.", 4)]
    [InlineData("$.a b", 4)]
    [InlineData("$[0].a", 2)]
    [InlineData("$.*", 2)]
    [InlineData("$.a[*]", 4)]
    [InlineData("$.a[-1]", 4)]
    [InlineData("$.a[]", 4)]
    [InlineData("$.a[100000]", 4)]
    [InlineData("$.a[0", 4)]
    [InlineData("$.a[?(@.b)]", 4)]
    [InlineData("$.a[0:2]", 4)]
    [InlineData("$['a", 2)]
    [InlineData("$['a'", 2)]
    [InlineData("$['a'x]", 2)]
    [InlineData(@"$['a\n']", 2)]
    [InlineData("$[\"a\"]", 2)]
    [InlineData("$.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", 34)]
    public void A_path_that_is_none_is_named_with_its_setting_and_what_is_allowed(string path, int character) =>
        Assert.Equal(
            $"Mapping:Item is \"{path}\", which is no path from character {character} on; it must be $ and 1 to 16 steps .name, ['any name'] or [n] (0 to 99999), "
            + "the first one a name, such as $.user.id; there are no wildcards and no filters.",
            Assert.Single(Faults(new MappingOptions { Item = path })));

    [Fact]
    public void Two_fields_need_two_places()
    {
        Assert.Equal(
            "Mapping:Item is \"$.a\" and Mapping:User is \"$['a']\"; each must have a place of its own, none inside another.",
            Assert.Single(Faults(new MappingOptions { User = "$['a']", Item = "$.a" })));
        Assert.Single(Faults(new MappingOptions { User = "$.a.b", Item = "$.a" }));
        Assert.Single(Faults(new MappingOptions { User = "$.a[0]", Value = "$.a[0].b" }));
        Assert.Empty(Faults(new MappingOptions { User = "$.a[0]", Item = "$.a[1]" }));
    }

    [Fact]
    public void A_path_that_takes_the_place_of_a_required_field_asks_for_another_place_of_that_one()
    {
        Assert.Equal(
            "Mapping:Item is \"$.user_id\", where user_id is looked for; Mapping:User must be set too.",
            Assert.Single(Faults(new MappingOptions { Item = "$.user_id" })));
        Assert.Empty(Faults(new MappingOptions { Item = "$.user_id", User = "$.item_id" }));
        Assert.Empty(Faults(new MappingOptions { Item = "$.value.sku" }));
    }

    [Fact]
    public void Words_mean_a_type_of_ours_or_nothing()
    {
        Assert.Empty(Faults(new MappingOptions { Types = { ["view_item"] = "view", ["ping"] = "ignore", ["urn:x"] = "Purchase" } }));
        Assert.Equal(
            "Mapping:Types:view_item is \"look\"; it must be click, view, cart, purchase, rating, impression or ignore.",
            Assert.Single(Faults(new MappingOptions { Types = { ["view_item"] = "look" } })));
        Assert.Single(Faults(new MappingOptions { Types = { ["a"] = "1" } }));
        Assert.Single(Faults(new MappingOptions { Types = { ["a"] = "click, view" } }));
        Assert.Single(Faults(new MappingOptions { Types = { [""] = "click" } }));
        Assert.Single(Faults(new MappingOptions { Types = { [new string('ü', 129)] = "click" } }));
        Assert.Equal(
            "Mapping:Types has 1001 words; it must have at most 1000.",
            Assert.Single(Faults(new MappingOptions { Types = Enumerable.Range(0, 1001).ToDictionary(i => $"w{i}", _ => "click") })));
    }

    [Fact]
    public void The_unit_of_time_is_one_of_two() =>
        Assert.Equal("Mapping:TimeUnit is \"us\"; it must be ms or s.", Assert.Single(Faults(new MappingOptions { TimeUnit = "us" })));

    private static IEnumerable<string> Faults(MappingOptions options) => new MappingOptionsValidator().Validate(null, options).Failures ?? [];
}
