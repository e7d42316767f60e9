using Microsoft.AspNetCore.Http;

namespace StreamRec.Server.Http;

/// <summary>Bounds the requests that are answered at once: one more is refused with 503 at once instead of waiting in memory.</summary>
/// <remarks>Health is always answered: a server that has much to do is not ill. Threading: any thread.</remarks>
/// <param name="most">Requests at once, 1 or more.</param>
internal sealed class RequestLimit(int most)
{
    private int _running;

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Path.StartsWithSegments("/health"))
        {
            await next(context);
            return;
        }

        try
        {
            if (Interlocked.Increment(ref _running) <= most)
            {
                await next(context);
                return;
            }
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }

        context.Response.Headers.RetryAfter = "1";
        await Results.Problem($"{most} requests are being answered, which is the most at once; ask again in a second.", statusCode: StatusCodes.Status503ServiceUnavailable)
            .ExecuteAsync(context);
    }
}
