using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StreamRec.Domain;

namespace StreamRec.Inference;

/// <summary>Computes lists: worker threads take what waits as one batch, lease the serving model, and hand the lists to the publisher.</summary>
/// <remarks>
/// Never silent about a substitute: a list that the model did not compute carries its <see cref="Fallback"/>.
/// Stop order: stop asking, then <see cref="StopAsync"/>, which finishes what waits, then stop the publisher.
/// </remarks>
public sealed class InferencePool : IListRequests, IAsyncDisposable
{
    private readonly InferenceOptions _options;
    private readonly ModelControl _models;
    private readonly FallbackLists _fallback;
    private readonly IRecommendationSink _publisher;
    private readonly TimeProvider _time;
    private readonly ILogger<InferencePool> _log;
    private readonly Action<Exception> _failed;
    private readonly InferenceMetrics _metrics = new();
    private readonly Batcher _batcher;
    private readonly List<Thread> _workers = [];
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _running;

    /// <param name="options">Validated settings.</param>
    /// <param name="models">What serves.</param>
    /// <param name="fallback">The list where no model can answer.</param>
    /// <param name="publisher">Where lists go.</param>
    /// <param name="time">The clock of <see cref="Recommendation.GeneratedAt"/>.</param>
    /// <param name="log">Log.</param>
    /// <param name="failed">Told of a bug in a worker; the host has to stop, a restart owes the lists again.</param>
    public InferencePool(
        InferenceOptions options,
        ModelControl models,
        FallbackLists fallback,
        IRecommendationSink publisher,
        TimeProvider time,
        ILogger<InferencePool> log,
        Action<Exception> failed)
    {
        var validation = new InferenceOptionsValidator().Validate(null, options);
        if (validation.Failed)
        {
            throw new OptionsValidationException(
                InferenceOptions.SectionName, typeof(InferenceOptions), validation.Failures);
        }

        _options = options;
        _models = models;
        _fallback = fallback;
        _publisher = publisher;
        _time = time;
        _log = log;
        _failed = failed;
        _batcher = new Batcher(options.QueueCapacity);
    }

    /// <summary>Users that wait for a list now.</summary>
    public int QueueDepth => _batcher.Waiting;

    /// <summary>Starts the workers.</summary>
    public void Start()
    {
        _running = _options.Workers;
        for (var i = 0; i < _options.Workers; i++)
        {
            var thread = new Thread(Work) { Name = $"inference-{i}", IsBackground = true };
            _workers.Add(thread);
            thread.Start();
        }
    }

    /// <inheritdoc/>
    public ValueTask PostAsync(ListRequest request, CancellationToken cancellationToken) =>
        _batcher.PostAsync(request, cancellationToken);

    /// <summary>Finishes what waits and ends the workers.</summary>
    public async Task StopAsync()
    {
        _batcher.Complete();
        if (_workers.Count > 0)
        {
            await _stopped.Task;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _batcher.Dispose();
        _metrics.Dispose();
    }

    private void Work()
    {
        var batch = new List<ListRequest>(_options.MaxBatchSize);
        try
        {
            while (_batcher.Take(batch, _options.MaxBatchSize))
            {
                var started = Stopwatch.GetTimestamp();
                Answer(batch);
                _batcher.Done(batch);
                _metrics.Batch(batch.Count, Stopwatch.GetElapsedTime(started));
            }
        }
        catch (Exception exception)
        {
            Log.WorkerFailed(_log, exception);
            _failed(exception);
        }
        finally
        {
            if (Interlocked.Decrement(ref _running) == 0)
            {
                _stopped.TrySetResult();
            }
        }
    }

    private void Answer(List<ListRequest> batch)
    {
        using var lease = _models.Acquire();
        var queries = new ModelQuery[batch.Count];
        for (var i = 0; i < queries.Length; i++)
        {
            queries[i] = QueryOf(batch[i]);
        }

        var (lists, fallback) = Compute(lease?.Model, queries);
        Failpoints.Hit(Failpoint.ListsComputed);
        for (var i = 0; i < queries.Length; i++)
        {
            var list = lists?[i];
            var why = list is { Count: > 0 } ? Fallback.None : ReferenceEquals(list, AnswerBudget.Exceeded) ? Fallback.Overload : fallback;
            if (why != Fallback.None)
            {
                list = _fallback.Top(queries[i].K, queries[i].Window.Span, queries[i].Masked.Span);
                _metrics.FellBack(why);
            }

            Publish(batch[i], list!, lease?.Model.Version, why);
        }
    }

    private (IReadOnlyList<RankedItem>[]? Lists, Fallback Fallback) Compute(IModel? model, ModelQuery[] queries)
    {
        if (model is null)
        {
            return (null, Fallback.NoModel);
        }

        try
        {
            return (model.Recommend(queries, new AnswerBudget(_options.AnswerTime, _options.AnswerTokens)), Fallback.ColdStart);
        }
        catch (ModelFailedException exception)
        {
            Log.ModelFailed(_log, model.Version, queries.Length, exception);
            return (null, Fallback.Overload);
        }
    }

    private void Publish(ListRequest request, IReadOnlyList<RankedItem> items, ModelVersion? model, Fallback fallback)
    {
        var recommendation = new Recommendation(
            request.UserId, request.Sequence, items, model, fallback, request.Cause, request.K, _time.GetUtcNow());
        _publisher.Publish(recommendation, () =>
        {
            _metrics.Published(request.Cause);
            request.Completed(recommendation);
        });
    }

    // The window is what the user did; what was only shown is in neither the window nor the mask.
    private static ModelQuery QueryOf(ListRequest request)
    {
        var history = request.History.Span;
        var window = new int[history.Length];
        var length = 0;
        foreach (var entry in history)
        {
            if (entry.Type != InteractionType.Impression)
            {
                window[length++] = entry.Item;
            }
        }

        var had = window.AsMemory(0, length);
        return new ModelQuery(
            request.UserId, had, request.Exclude.Count == 0 ? had : (int[])[.. had.Span, .. request.Exclude], request.K);
    }
}
