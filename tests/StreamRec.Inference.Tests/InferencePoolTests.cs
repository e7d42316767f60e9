using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using StreamRec.Domain;

namespace StreamRec.Inference.Tests;

public sealed class InferencePoolTests : IAsyncDisposable
{
    private static readonly CancellationToken Now = TestContext.Current.CancellationToken;

    private readonly string _root = Directory.CreateTempSubdirectory("streamrec-pool-").FullName;
    private readonly FakeFamily _family = new();
    private readonly Catalogue _catalogue = new();
    private readonly ModelRegistry _registry;
    private readonly ModelControl _models;
    private readonly FallbackLists _fallback;
    private readonly FakePublisher _publisher = new();
    private readonly InferencePool _pool;

    public InferencePoolTests()
    {
        for (var i = 0; i < 20; i++)
        {
            _catalogue.Add($"item-{i}");
        }

        _registry = new ModelRegistry(_root, NullLogger<ModelRegistry>.Instance);
        _models = new ModelControl(_registry, [_family], new ModelContext(_catalogue, NoEvidence.Instance), NullLogger<ModelControl>.Instance);
        var popularity = new Popularity(_catalogue, TimeProvider.System);
        _fallback = new FallbackLists(_catalogue, new Pairs((7, 9, 3), (7, 8, 5), (7, 0, 0.5f)), popularity);
        for (var i = 0; i < 20; i++)
        {
            for (var n = 0; n < 20 - i; n++)
            {
                popularity.Count(i);
            }
        }

        _pool = new InferencePool(
            new InferenceOptions { Workers = 2, MaxBatchSize = 8 }, _models, _fallback, _publisher, TimeProvider.System,
            NullLogger<InferencePool>.Instance, _ => { });
        _pool.Start();
    }

    public async ValueTask DisposeAsync()
    {
        await _pool.DisposeAsync();
        _models.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task Without_a_model_the_list_is_popularity_and_says_so()
    {
        var list = await AskAsync("u", 1, new SequenceEntry(0, InteractionType.Click), new SequenceEntry(2, InteractionType.Impression));

        Assert.Equal((Fallback.NoModel, null), (list.Fallback, list.Model));
        // Item 0 was clicked and is masked; item 2 was only shown and is not.
        Assert.Equal([1, 2, 3], list.Items.Select(item => item.Item));
    }

    [Fact]
    public async Task Without_a_model_what_follows_the_window_comes_before_what_is_popular()
    {
        var list = await AskAsync("u", 1, new SequenceEntry(7, InteractionType.Click));

        Assert.Equal([8, 9, 0], list.Items.Select(item => item.Item));
        Assert.All(list.Items, item => Assert.Equal("transitions", item.Source));
    }

    [Fact]
    public void A_fallback_list_is_filled_up_by_popularity_with_scores_that_never_rise()
    {
        var list = _fallback.Top(6, [7], [7, 8]);

        Assert.Equal([9, 0, 1, 2, 3, 4], list.Select(item => item.Item));
        Assert.Equal(["transitions", "transitions", "popularity", "popularity", "popularity", "popularity"], list.Select(item => item.Source));
        Assert.Equal(list.OrderByDescending(item => item.Score), list);
    }

    [Fact]
    public void A_withdrawn_item_is_in_no_fallback_list_whatever_speaks_for_it()
    {
        _catalogue.Describe("item-8", null, null, available: false);

        Assert.Equal([9, 0, 1], _fallback.Top(3, [7], [7]).Select(item => item.Item));
    }

    [Fact]
    public async Task A_model_answers_with_its_version()
    {
        Activate();
        var list = await AskAsync("u", 1, new SequenceEntry(0, InteractionType.Click));

        Assert.Equal((Fallback.None, "fake@1", 1), (list.Fallback, list.Model!.ToString(), Assert.Single(list.Items).Item));
    }

    [Fact]
    public async Task A_window_that_the_model_does_not_know_falls_back_as_a_cold_start()
    {
        Activate();
        var list = await AskAsync("u", 0);

        Assert.Equal(Fallback.ColdStart, list.Fallback);
        Assert.Equal([0, 1, 2], list.Items.Select(item => item.Item));
    }

    [Fact]
    public async Task A_failing_model_falls_back_and_goes_on()
    {
        Activate();
        _family.Loaded[0].Computing = _ => throw new ModelFailedException("out of memory");
        Assert.Equal(Fallback.Overload, (await AskAsync("u", 1, new SequenceEntry(0, InteractionType.Click))).Fallback);

        _family.Loaded[0].Computing = null;
        Assert.Equal(Fallback.None, (await AskAsync("u", 2, new SequenceEntry(0, InteractionType.Click))).Fallback);
    }

    [Fact]
    public async Task A_list_that_the_budget_has_no_room_for_falls_back_as_overload()
    {
        Activate();
        _family.Loaded[0].OverBudget = 1;

        var list = await AskAsync("u", 1, new SequenceEntry(0, InteractionType.Click));

        Assert.Equal(Fallback.Overload, list.Fallback);
        Assert.Equal([1, 2, 3], list.Items.Select(item => item.Item));
        Assert.Equal(new AnswerBudget(TimeSpan.FromSeconds(5), 100_000), _family.Loaded[0].Budget);
    }

    [Fact]
    public async Task A_withdrawn_or_excluded_item_is_in_no_list()
    {
        _catalogue.Describe("item-1", null, null, available: false);
        var answer = new TaskCompletionSource<Recommendation>();
        await _pool.PostAsync(Request("u", 1, answer, []) with { Exclude = [2] }, Now);

        Assert.Equal([0, 3, 4], (await answer.Task).Items.Select(item => item.Item));
    }

    [Fact]
    public async Task Swaps_under_load_lose_no_request_and_mix_no_versions_in_a_batch()
    {
        Activate();
        var answers = new List<Task<Recommendation>>();
        for (var i = 0; i < 400; i++)
        {
            var answer = new TaskCompletionSource<Recommendation>(TaskCreationOptions.RunContinuationsAsynchronously);
            await _pool.PostAsync(Request($"user-{i}", 1, answer, [new SequenceEntry(0, InteractionType.Click)]), Now);
            answers.Add(answer.Task);
            if (i % 40 == 0)
            {
                Activate();
            }
        }

        var lists = await Task.WhenAll(answers);

        // The fake's only item is its version's number: an item computed by one version under another's name would show.
        Assert.All(lists, list => Assert.Equal(list.Model!.Version, Assert.Single(list.Items).Item));
        Assert.Equal(11, _models.Serving!.Version);
    }

    [Fact]
    public void Settings_out_of_range_are_refused_by_name()
    {
        var refused = Assert.Throws<OptionsValidationException>(() => new InferencePool(
            new InferenceOptions { MaxBatchSize = 0 }, _models, _fallback, _publisher, TimeProvider.System,
            NullLogger<InferencePool>.Instance, _ => { }));
        Assert.Contains("Inference:MaxBatchSize is 0; it must be in [1, 4096].", refused.Message, StringComparison.Ordinal);
    }

    private async Task<Recommendation> AskAsync(string user, long sequence, params SequenceEntry[] history)
    {
        var answer = new TaskCompletionSource<Recommendation>(TaskCreationOptions.RunContinuationsAsynchronously);
        await _pool.PostAsync(Request(user, sequence, answer, history), Now);
        return await answer.Task.WaitAsync(TimeSpan.FromSeconds(30), Now);
    }

    private static ListRequest Request(string user, long sequence, TaskCompletionSource<Recommendation> answer, SequenceEntry[] history) =>
        new(user, sequence, history, 3, [], default) { Completed = list => answer.TrySetResult(list!) };

    private void Activate() =>
        _models.Activate(_registry.Publish("fake", FakeFamily.Draft(), directory => FakeFamily.Write(directory, "ok")));

    /// <summary>Evidence of pairs (from, to, score) alone.</summary>
    private sealed class Pairs(params (int From, int To, float Score)[] pairs) : IEvidence
    {
        public void AddTo(ReadOnlySpan<int> window, float weight, Span<float> scores)
        {
            foreach (var (from, to, score) in pairs)
            {
                scores[to] += window.Contains(from) ? weight * score : 0;
            }
        }
    }

    private sealed class FakePublisher : IRecommendationSink
    {
        public void Publish(Recommendation recommendation, Action published) => published();
    }
}
