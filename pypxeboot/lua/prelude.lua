-- What a script of lua.c32 finds: Lua's harmless functions, and SYSLINUX's modules.
--
-- The chunk is given a pattern matcher and the limits (lua/script.py), and returns a function that begins a
-- script. The script runs as a coroutine; what SYSLINUX would do for it, it asks for by yielding. It gets
-- copies of tables, and nothing from which "debug", "os", "package" or Python could be reached. Not there:
-- "coroutine" (a coroutine of its own would not be counted), finalizers (they run where nothing is counted).

local find, instructions, seconds, config_file, version = ...
local clock, sethook = os.clock, debug.sethook
local create, resume, status, call = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield
local error, load, type, tostring, tonumber = error, load, type, tostring, tonumber
local select, pcall = select, pcall
local setmetatable, getmetatable, rawget, pairs = setmetatable, getmetatable, rawget, pairs
local sub, rawrep, rawfind, concat = string.sub, string.rep, string.find, table.concat
local unpack = table.unpack or unpack
local EVERY, LARGEST = 1000, 1048576

local function copied(from, names)
  local to = {}
  for name in names:gmatch("%w+") do to[name] = from[name] end
  return to
end

local function text(value, number, name)
  if type(value) == "number" then return tostring(value) end
  if type(value) == "string" then return value end
  error("bad argument #" .. number .. " to '" .. name .. "' (string expected, got " .. type(value) .. ")", 3)
end

local function number(value, position, name)
  local meant = tonumber(value)
  if meant and meant == meant and meant > -LARGEST and meant < 2^32 then return meant end
  error("bad argument #" .. position .. " to '" .. name .. "' (number expected)", 3)
end

-- Strings. Patterns are matched outside, where steps are counted.
local str = copied(string, "byte char format len lower reverse sub upper")
local function found(ok, ...)
  if ok == false then error((...), 3) end
  return ok, ...
end
local function place(s, init)
  init = init or 1
  if init > 0 then return init end
  if init == 0 or -init > #s then return 1 end
  return #s + init + 1
end
local function captures(s, first, last, ...)
  if not first then return nil end
  if select("#", ...) == 0 then return sub(s, first, last) end
  return ...
end
function str.find(s, p, init, plain)
  s, p, init = text(s, 1, "find"), text(p, 2, "find"), place(s, init)
  if init > #s + 1 then return nil end
  if plain or not rawfind(p, "[%^%$%*%+%?%.%(%[%%%-]") then return rawfind(s, p, init, true) end
  return found(find(s, p, init))
end
function str.match(s, p, init)
  s, p, init = text(s, 1, "match"), text(p, 2, "match"), place(s, init)
  if init > #s + 1 then return nil end
  return captures(s, found(find(s, p, init)))
end
function str.gmatch(s, p)
  s, p = text(s, 1, "gmatch"), text(p, 2, "gmatch")
  if sub(p, 1, 1) == "^" then p = "%" .. p end
  local at = 1
  return function()
    if at > #s + 1 then return nil end
    local list = {found(find(s, p, at))}
    if not list[1] then at = #s + 2 return nil end
    at = list[2] >= list[1] and list[2] + 1 or list[1] + 1
    return captures(s, unpack(list))
  end
end
local function replaced(repl, whole, list)
  local first = list[3] or whole
  if type(repl) == "table" then return repl[first] end
  if type(repl) == "function" then
    if list[3] then return repl(unpack(list, 3)) end
    return repl(whole)
  end
  local out, at = {}, 1
  while true do
    local mark = rawfind(repl, "%", at, true)
    if not mark then break end
    out[#out + 1] = sub(repl, at, mark - 1)
    local char = sub(repl, mark + 1, mark + 1)
    local value = char
    if char == "0" then value = whole
    elseif char == "1" then value = first
    elseif rawfind(char, "^%d") then
      value = list[2 + char]
      if not value then error("invalid capture index", 3) end
    end
    out[#out + 1] = value
    at = mark + 2
  end
  return concat(out) .. sub(repl, at)
end
function str.gsub(s, p, repl, most)
  s, p = text(s, 1, "gsub"), text(p, 2, "gsub")
  local anchored = sub(p, 1, 1) == "^"
  if type(repl) == "number" then repl = tostring(repl) end
  if type(repl) ~= "string" and type(repl) ~= "table" and type(repl) ~= "function" then
    error("bad argument #3 to 'gsub' (string/function/table expected)", 2)
  end
  local out, count, at = {}, 0, 1
  while (not most or count < most) and at <= #s + 1 do
    local list = {found(find(s, p, at))}
    local first, last = list[1], list[2]
    if not first then break end
    count = count + 1
    local whole = sub(s, first, last)
    local value = replaced(repl, whole, list)
    if value == nil or value == false then value = whole
    elseif type(value) == "number" then value = tostring(value)
    elseif type(value) ~= "string" then error("invalid replacement value (a " .. type(value) .. ")", 2) end
    out[#out + 1] = sub(s, at, first - 1)
    out[#out + 1] = value
    if last >= first then at = last + 1
    else out[#out + 1] = sub(s, first, first) at = first + 1 end
    if anchored then break end
  end
  return concat(out) .. sub(s, at), count
end
function str.rep(s, count, between)
  s, between = text(s, 1, "rep"), text(between or "", 3, "rep")
  local size = #s + #between
  if size == 0 or count < 1 then return "" end
  if count * size > LARGEST then error("resulting string too large", 2) end
  return rawrep(s, count, between)
end
local meta = getmetatable("")
meta.__index, meta.__metatable = str, false

-- What SYSLINUX does for the script.
local File, Ramdisk = {}, {}
local names, parts = setmetatable({}, {__mode = "k"}), setmetatable({}, {__mode = "k"})
local function name_of(file) return names[file] or error("not a file of loadfile()", 3) end
local function parts_of(ramdisk) return parts[ramdisk] or error("not an initramfs", 3) end
function File.name(file) return name_of(file) end
function File.size(file) return (call("size", name_of(file))) end
File.__index, File.__metatable = File, false
function Ramdisk.load(ramdisk, name)
  local list = parts_of(ramdisk)
  if not call("exists", text(name, 2, "load")) then error("Loading initramfs " .. name .. " failed", 2) end
  list[#list + 1] = {"load", name, ""}
  return ramdisk
end
function Ramdisk.add_file(ramdisk, path, data)
  local list = parts_of(ramdisk)
  list[#list + 1] = {"add", text(path, 2, "add_file"), data and text(data, 3, "add_file") or ""}
  return ramdisk
end
function Ramdisk.size(ramdisk)
  local size = 0
  for _, part in pairs(parts_of(ramdisk)) do
    size = size + (part[1] == "add" and #part[3] or call("size", part[2]))
  end
  return size
end
Ramdisk.__index, Ramdisk.__metatable = Ramdisk, false

local sl = {filename = File.name, filesize = File.size, initramfs_load_archive = Ramdisk.load}
function sl.run_command(command) call("run_command", text(command, 1, "run_command")) end
function sl.run_default() call("run_default") end
function sl.local_boot() call("local_boot") end
function sl.final_cleanup() end
function sl.boot_linux(kernel, line)
  call("boot_linux", text(kernel, 1, "boot_linux"), text(line or "", 2, "boot_linux"))
end
function sl.run_kernel_image(name, line, append, kind)
  local file = text(name, 1, "run_kernel_image")
  append, kind = number(append or 0, 3, "run_kernel_image"), number(kind or 0, 4, "run_kernel_image")
  call("run_kernel_image", file, text(line, 2, "run_kernel_image"), append, kind)
end
function sl.sleep(amount) call("sleep", number(amount or 0, 1, "sleep")) end
function sl.msleep(amount) call("sleep", number(amount, 1, "msleep") / 1000) end
function sl.loadfile(name)
  if not call("exists", text(name, 1, "loadfile")) then error("Could not load file", 2) end
  local file = setmetatable({}, File)
  names[file] = name
  return file
end
function sl.initramfs()
  local ramdisk = setmetatable({}, Ramdisk)
  parts[ramdisk] = {}
  return ramdisk
end
sl.initramfs_init = sl.initramfs
function sl.initramfs_add_file(ramdisk, what, data)
  local list = parts_of(ramdisk)
  if not names[what] then return Ramdisk.add_file(ramdisk, what, data) end
  list[#list + 1] = {"wrap", names[what], ""}
  return ramdisk
end
function sl.boot_it(kernel, ramdisk, line)
  local list = {}
  for _, part in pairs(ramdisk and parts_of(ramdisk) or {}) do
    for _, value in pairs(part) do list[#list + 1] = value end
  end
  call("boot_it", name_of(kernel), text(line or "", 3, "boot_it"), unpack(list))
  error("Booting failed", 2)
end
function sl.config_file() return config_file end
function sl.ipappend_strs() return {call("ipappend_strs")} end
function sl.reboot() call("reboot") end
function sl.derivative() return "PXELINUX" end
function sl.version() return version end
function sl.get_key(milliseconds) return (call("get_key", number(milliseconds or 0, 1, "get_key") / 1000)) end
function sl.KEY_CTRL(letter) return letter % 32 end
sl.KEY = {NONE = -1, BACKSPACE = 8, TAB = 9, ENTER = 13, ESC = 27, DEL = 127}
local number = 256
for name in ("F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12 UP DOWN LEFT RIGHT PGUP PGDN HOME END INSERT DELETE")
    :gmatch("%w+") do
  sl.KEY[name], number = number, number + 1
end
sl.IMAGE_TYPE = {
  KERNEL = 0, LINUX = 1, BOOT = 2, BSS = 3, PXE = 4, FDIMAGE = 5, COM32 = 6, CONFIG = 7, LOCALBOOT = 8,
}

-- Keys as in 4.x ("system.serial") and as in 6.x (system = {serial = ...}).
local dmi = {}
function dmi.supported() return true end
function dmi.gettable()
  local list, known = {call("dmi")}, {}
  for at = 1, #list, 3 do
    local group, key, value = list[at], list[at + 1], list[at + 2]
    known[group] = known[group] or {}
    known[group][key], known[group .. "." .. key] = value, value
  end
  return known
end
local cpu = {}
function cpu.flags()
  local list, known = {call("cpu")}, {}
  for at = 1, #list, 2 do known[list[at]] = list[at + 1] end
  return known
end
local pci = {getinfo = function() return {} end, getidlist = function() return {} end}

-- The script's own globals.
local env = copied(_G, "assert error getmetatable ipairs next pairs pcall rawequal rawget rawlen rawset "
  .. "select tonumber tostring type")
env._G, env._VERSION, env.unpack = env, _VERSION, unpack
env.string, env.syslinux, env.dmi, env.cpu, env.pci = str, sl, dmi, cpu, pci
env.table = copied(table, "concat insert remove sort unpack")
env.math = copied(math, "abs ceil exp floor fmod huge log max min modf pi pow sqrt tointeger type")
env.bit32 = bit32 and copied(bit32, "arshift band bnot bor btest bxor extract lshift replace rrotate rshift")
local function handled(handler, ok, ...)
  if ok then return ok, ... end
  return ok, handler(...)
end
function env.xpcall(f, handler, ...)  -- Lua's own would let a handler run that nothing interrupts
  return handled(handler, pcall(f, ...))
end
local function written(...)
  local out = {}
  for at = 1, select("#", ...) do out[at] = tostring((select(at, ...))) end
  return out
end
function env.print(...) call("print", concat(written(...), "\t") .. "\n") end
env.io = {write = function(...) call("print", concat(written(...))) end}
function env.setmetatable(t, m)
  if type(m) == "table" and rawget(m, "__gc") ~= nil then error("no finalizers here", 2) end
  return setmetatable(t, m)
end
function env.load(source, name, _, own)
  return load(text(source, 1, "load"), name or "=(load)", "t", own or env)
end
env.loadstring = env.load
local loaded = {string = str, table = env.table, math = env.math, bit32 = env.bit32, io = env.io}
loaded.syslinux, loaded.dmi, loaded.cpu, loaded.pci, loaded._G = sl, dmi, cpu, pci, env
local function chunk(name)
  local source, problem = call("source", name)
  if not source then error(problem, 3) end
  local made, why = load(source, "@" .. name, "t", env)
  if not made then error(why, 0) end
  return made
end
function env.require(name)
  if loaded[text(name, 1, "require")] == nil then
    local value = chunk(name .. ".lua")(name)
    loaded[name] = value == nil and true or value
  end
  return loaded[name]
end
function env.dofile(name) return chunk(text(name, 1, "dofile"))() end

return function(source, name, ...)
  local main, why = load(source, "@" .. name, "t", env)
  if not main then return nil, why end
  env.arg = {...}
  env.arg[0] = name
  local script, count, started = create(main), 0, clock()
  local function over() error("the script takes too long", 0) end
  sethook(script, function()
    count = count + EVERY
    if count > instructions or clock() - started > seconds then
      sethook(script, over, "", 1)  -- at every instruction: no pcall() of the script outlives it
      over()
    end
  end, "", EVERY)
  local function came(ok, ...)
    if not ok then return "error", tostring((...)) end
    if status(script) == "dead" then return "end", "" end
    return "call", ...
  end
  return function(...) return came(resume(script, ...)) end, ""
end
