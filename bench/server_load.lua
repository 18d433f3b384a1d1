-- What wrk sends: POST /get-online-features for keys at random, from bodies that are made before the clock starts.
--
-- Arguments: keys in a request, keys in the store, features, milliseconds that a connection waits after an answer.
-- Prints one line of JSON at the end.

local bodies, at = {}, 0

function init(arguments)
  local each, stored, features = tonumber(arguments[1]), tonumber(arguments[2]), tonumber(arguments[3])
  pace(tonumber(arguments[4]))
  local names = {}
  for feature = 0, features - 1 do names[#names + 1] = '"stats:f' .. feature .. '"' end
  math.randomseed(7)
  for i = 1, 2000 do
    local keys = {}
    for k = 1, each do keys[k] = math.random(0, stored - 1) end
    local body = '{"features":[' .. table.concat(names, ",") .. '],"entities":{"driver_id":[' .. table.concat(keys, ",") .. "]}}"
    bodies[i] = wrk.format("POST", "/get-online-features", {["Content-Type"] = "application/json"}, body)
  end
end

function request()
  at = at % #bodies + 1
  return bodies[at]
end

-- wrk asks delay() where there is one, and takes whole milliseconds: chance makes the mean right, and keeps connections from falling
-- into step.
function pace(pause_ms)
  if pause_ms > 0 then
    delay = function() return math.floor(pause_ms * 2 * math.random() + 0.5) end
  end
end

function done(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format('{"requests": %d, "seconds": %.6f, "failed": %d, "p50_us": %d, "p99_us": %d}\n', summary.requests,
                         summary.duration / 1e6, failed, latency:percentile(50), latency:percentile(99)))
end
