using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using StreamRec.Server.Http;

namespace StreamRec.Server.Tests;

public sealed class RequestLimitTests
{
    [Fact]
    public async Task One_request_too_many_is_refused_at_once_and_health_never()
    {
        var limit = new RequestLimit(2);
        var gate = new TaskCompletionSource();
        var (first, second, third, health, later) = (Request("/figures"), Request("/figures"), Request("/figures"), Request("/health/live"), Request("/figures"));
        var running = Task.WhenAll(limit.InvokeAsync(first, _ => gate.Task), limit.InvokeAsync(second, _ => gate.Task));

        await limit.InvokeAsync(third, _ => throw new InvalidOperationException("It was let in."));
        Assert.Equal((503, "1"), (third.Response.StatusCode, third.Response.Headers.RetryAfter.ToString()));
        await Answered(limit, health);

        gate.SetResult();
        await running;
        await Answered(limit, later);
    }

    [Fact]
    public async Task A_request_that_fails_gives_its_place_back()
    {
        var limit = new RequestLimit(1);
        await Assert.ThrowsAsync<InvalidOperationException>(() => limit.InvokeAsync(Request("/users/u"), _ => throw new InvalidOperationException()));
        await Answered(limit, Request("/users/u"));
    }

    private static async Task Answered(RequestLimit limit, HttpContext context)
    {
        var answered = false;
        await limit.InvokeAsync(context, _ =>
        {
            answered = true;
            return Task.CompletedTask;
        });
        Assert.True(answered);
    }

    private static DefaultHttpContext Request(string path)
    {
        var context = new DefaultHttpContext { RequestServices = new ServiceCollection().AddLogging().BuildServiceProvider() };
        context.Request.Path = path;
        return context;
    }
}
